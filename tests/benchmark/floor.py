"""The least that a runner can do: one psycopg2 connection, and the same SQL.

It is what the others are compared with, so it imports psycopg2 and nothing else that a bare Python
has not loaded: it must not pay for anything that is not needed.

As a process, where nothing is pending: python floor.py DSN FOLDER
"""

import os
import sys

import psycopg2

BOOKS = (
    """CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY,
       applied_at timestamptz DEFAULT CURRENT_TIMESTAMP, description text)""",
    "CREATE TABLE alembic_version (version_num varchar(255) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('')",
)


def run(dsn: str, folder: str, statements: dict[str, tuple[str, ...]] | None = None) -> None:
    """Connect, apply what is pending, and close; `statements` has the SQL of each stem."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True  # a lone SELECT needs no BEGIN
    try:
        run_on(connection, folder, statements)
    finally:
        connection.close()


def run_on(
    connection: psycopg2.extensions.connection,
    folder: str,
    statements: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """Apply what is pending on an open connection, which is in autocommit mode."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT version FROM schema_migrations")
        except psycopg2.errors.UndefinedTable:
            for statement in BOOKS:
                cursor.execute(statement)
            applied = set()
        else:
            applied = {version for (version,) in cursor.fetchall()}
        with os.scandir(folder) as entries:
            files = sorted(entry.name for entry in entries if entry.name.endswith(".py"))
        for stem in [name[:-3] for name in files if name[:-3] not in applied]:
            cursor.execute("BEGIN")
            for statement in (statements or {})[stem]:
                cursor.execute(statement)
            cursor.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (stem,))
            cursor.execute("UPDATE alembic_version SET version_num = %s", (stem,))
            cursor.execute("COMMIT")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
