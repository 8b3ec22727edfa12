"""What a database has on record, and small migrations to put something on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import inspect, text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

#: The old runner's table, as it left it in a database that bridge has not met.
OLD_LEDGER = """
    CREATE TABLE schema_migrations (
        version VARCHAR(255) PRIMARY KEY,
        applied_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
        description TEXT
    )
"""


class Books(NamedTuple):
    """The two tables in which bridge keeps its records."""

    #: The stems in the order in which they were applied.
    applied: list[str]
    #: What `alembic_version` holds.
    pointer: list[str]


def books(engine: Engine) -> Books:
    """Read both tables."""
    with engine.connect() as connection:
        applied = connection.scalars(
            text("SELECT version FROM schema_migrations ORDER BY applied_at, version")
        )
        pointer = connection.scalars(text("SELECT version_num FROM alembic_version"))
        return Books(list(applied), list(pointer))


def tables(engine: Engine) -> set[str]:
    """The names of all tables in the default schema."""
    return set(inspect(engine).get_table_names())


def execute(engine: Engine, *statements: str) -> None:
    """Run statements as an operator would, and commit them."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def adopt(engine: Engine, *stems: str) -> None:
    """Make the database one of the old runner that has applied these, in this order."""
    execute(engine, OLD_LEDGER)
    for stem in stems:
        execute(engine, f"INSERT INTO schema_migrations (version) VALUES ('{stem}')")


def creates(table: str, *, downgrade: bool = True) -> str:
    """A migration that creates this table."""
    source = f'''\
"""
Migration: The table {table}
It is made for a test.
"""

description = "Create {table}"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("CREATE TABLE {table} (id integer)"))
    db.commit()
'''
    if downgrade:
        source += f"""

def downgrade(db):
    from sqlalchemy import text

    db.execute(text("DROP TABLE {table}"))
    db.commit()
"""
    return source


def write_three(project: Project) -> None:
    """Three migrations that can be reverted: `001_one`, `002_two`, `003_three`."""
    for stem, table in (("001_one", "one"), ("002_two", "two"), ("003_three", "three")):
        project.write(stem, creates(table))
