"""Usage: python runner.py [new NAME]"""

import hashlib
import importlib.util
import inspect
import os
import sys
from datetime import datetime
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

FOLDER = Path(__file__).resolve().parent / "migrations"

TEMPLATE = '''"""{title}"""

from sqlalchemy import Connection, text


def upgrade(conn: Connection) -> None:
    conn.execute(text("..."))


def downgrade(conn: Connection) -> None:
    conn.execute(text("..."))
'''


def new(name):
    path = FOLDER / f"{datetime.now():%Y%m%d%H%M%S}_{name}.py"
    path.write_text(TEMPLATE.format(title=name.replace("_", " ").capitalize()))
    print(path)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def migrations():
    """(version, name, path), oldest first."""
    for path in sorted(FOLDER.glob("[0-9]" * 14 + "_*.py")):
        version, _, name = path.stem.partition("_")
        yield int(version), name, path


def call(function, conn):
    if "cursor" in inspect.signature(function).parameters:
        with conn.connection.cursor() as cursor:
            function(cursor)
    else:
        function(conn)


def upgrade(conn):
    conn.execute(
        text("""
            CREATE TABLE IF NOT EXISTS applied_migrations (
                version BIGINT PRIMARY KEY,
                name TEXT NOT NULL,
                hash CHAR(64) NOT NULL,
                applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
            )
        """)
    )
    hashes = dict(conn.execute(text("SELECT version, hash FROM applied_migrations")).all())
    conn.commit()
    for version, name, path in migrations():
        if version in hashes:
            if hashes[version] != sha256(path):
                sys.exit(f"{path.name} was edited after it was applied")
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        with conn.begin():
            call(module.upgrade, conn)
            conn.execute(
                text("INSERT INTO applied_migrations VALUES (:version, :name, :hash)"),
                {"version": version, "name": name, "hash": sha256(path)},
            )
        print("applied", path.name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["new"]:
        new(sys.argv[2])
    else:
        url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
        engine = create_engine(url)
        with engine.connect() as connection:
            upgrade(connection)
        engine.dispose()
