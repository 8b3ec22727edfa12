"""Apply versioned migrations: python migrate.py [--to VERSION]"""

import hashlib
import importlib.util
import os
import re
import sys
from collections import namedtuple
from pathlib import Path

import psycopg2

MIGRATIONS = Path(__file__).parent / "migrations"
FILE = re.compile(r"V(?P<version>\d+)__(?P<name>\w+)\.py")

Migration = namedtuple("Migration", "version name path checksum")


class MigrationError(Exception):
    pass


def find_migrations():
    migrations = []
    for path in MIGRATIONS.iterdir():
        match = FILE.fullmatch(path.name)
        if match:
            checksum = hashlib.md5(path.read_bytes()).hexdigest()
            name = match["name"].replace("_", " ")
            migrations.append(Migration(int(match["version"]), name, path, checksum))
    migrations.sort(key=lambda migration: migration.version)
    return migrations


def create_table(conn):
    with conn.cursor() as cursor:
        cursor.execute("""
            CREATE TABLE IF NOT EXISTS schema_migrations (
                version INTEGER NOT NULL PRIMARY KEY,
                name VARCHAR(200) NOT NULL,
                checksum VARCHAR(32) NOT NULL,
                applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
            )
        """)
    conn.commit()


def read_applied(conn):
    with conn.cursor() as cursor:
        cursor.execute("SELECT version, checksum FROM schema_migrations ORDER BY version")
        applied = dict(cursor.fetchall())
    conn.rollback()
    return applied


def validate(migrations, applied):
    known = {migration.version: migration for migration in migrations}
    for version, checksum in applied.items():
        if version not in known:
            raise MigrationError(f"V{version} was applied and is not there")
        if known[version].checksum != checksum:
            raise MigrationError(f"{known[version].path.name} was changed after it was applied")


def execute(conn, migration):
    spec = importlib.util.spec_from_file_location(migration.path.stem, migration.path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.up(conn)
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
            (migration.version, migration.name, migration.checksum),
        )
    conn.commit()


def migrate(conn, to=None):
    create_table(conn)
    migrations, applied = find_migrations(), read_applied(conn)
    validate(migrations, applied)
    for migration in migrations:
        if migration.version in applied or (to and migration.version > to):
            continue
        print(f"Migrating to version {migration.version} - {migration.name}")
        try:
            execute(conn, migration)
        except Exception:
            conn.rollback()
            raise
    print("Schema is up to date.")


if __name__ == "__main__":
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        migrate(connection, int(sys.argv[2]) if sys.argv[1:2] == ["--to"] else None)
    finally:
        connection.close()
