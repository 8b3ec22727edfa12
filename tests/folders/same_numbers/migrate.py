"""python migrate.py"""

import contextlib
import getpass
import importlib
import os
import re
import sys
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    filename TEXT PRIMARY KEY,
    applied_at TIMESTAMP DEFAULT now(),
    applied_by TEXT
)
"""


@contextlib.contextmanager
def database():
    engine = create_engine(
        make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    )
    try:
        with Session(engine) as db:
            yield db
    finally:
        engine.dispose()


def files():
    names = os.listdir(ROOT / "migrations")
    return sorted(name for name in names if re.match(r"\d{3}_.*\.py$", name))


def is_applied(db, name):
    found = db.execute(text("SELECT 1 FROM schema_migrations WHERE filename = :f"), {"f": name})
    return found.first() is not None


def apply(db, name):
    migration = importlib.import_module(f"migrations.{name.removesuffix('.py')}")
    try:
        migration.upgrade(db)
        db.execute(text("INSERT INTO schema_migrations (filename) VALUES (:f)"), {"f": name})
        db.commit()
    except Exception as error:
        db.rollback()
        sys.exit(f"{name}: {error}")


def main():
    with database() as db:
        db.execute(text(TABLE))
        db.commit()
        for name in files():
            if is_applied(db, name):
                print("  ", name)
            else:
                apply(db, name)
                print(" +", name)


if __name__ == "__main__":
    with contextlib.suppress(KeyError, OSError):
        print("as", getpass.getuser())
    main()
