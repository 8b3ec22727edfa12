"""Bring the database up to date.

python migrate.py           apply what is pending
python migrate.py --list    list it
"""

import argparse
import importlib.util
import os
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

FOLDER = Path(__file__).resolve().parent / "db" / "migrations"

CREATE = """
CREATE TABLE IF NOT EXISTS migrations (
    id SERIAL PRIMARY KEY,
    filename VARCHAR(255) NOT NULL UNIQUE,
    executed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
)
"""


def get_engine():
    url = make_url(os.environ["DATABASE_URL"])
    return create_engine(url.set(drivername="postgresql+psycopg2"), poolclass=NullPool)


def executed(conn):
    conn.execute(text(CREATE))
    conn.commit()
    return set(conn.scalars(text("SELECT filename FROM migrations")))


def migration_files():
    return sorted(name for name in os.listdir(FOLDER) if name.endswith(".py") and name[0] != "_")


def import_file(name):
    spec = importlib.util.spec_from_file_location(f"migration_{name[:4]}", FOLDER / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(conn, name):
    module = import_file(name)
    if not hasattr(module, "upgrade"):
        raise SystemExit(f"{name} has no upgrade()")
    try:
        module.upgrade(conn)
        conn.execute(text("INSERT INTO migrations (filename) VALUES (:name)"), {"name": name})
        conn.commit()
    except Exception:
        conn.rollback()
        print(f"failed: {name}")
        raise
    print(f"done: {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    with get_engine().connect() as conn:
        done = executed(conn)
        pending = [name for name in migration_files() if name not in done]
        for name in pending:
            if arguments.list:
                print(name)
            else:
                run(conn, name)


if __name__ == "__main__":
    main()
