"""Run the migrations that are pending; the application calls run_migrations() when it starts."""

import importlib
import pkgutil
import time
from datetime import UTC, datetime

from sqlalchemy import text

import app.migrations
from app.database import get_engine


def create_table(engine):
    with engine.begin() as conn:
        conn.execute(
            text("""
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    migration_id VARCHAR(200) PRIMARY KEY,
                    description TEXT,
                    executed_at TIMESTAMPTZ NOT NULL
                )
            """)
        )


def applied(engine):
    with engine.connect() as conn:
        return {row.migration_id for row in conn.execute(text("SELECT * FROM schema_migrations"))}


def available():
    names = (module.name for module in pkgutil.iter_modules(app.migrations.__path__))
    return sorted(name for name in names if name[:3].isdigit())


def first_line(module):
    return (module.__doc__ or "").strip().split("\n")[0]


def run_migrations(engine):
    create_table(engine)
    done = applied(engine)
    count = 0
    for name in available():
        if name in done:
            continue
        module = importlib.import_module(f"app.migrations.{name}")
        started = time.monotonic()
        module.upgrade(engine)
        with engine.begin() as conn:
            conn.execute(
                text(
                    "INSERT INTO schema_migrations (migration_id, description, executed_at)"
                    " VALUES (:id, :description, :at)"
                ),
                {"id": name, "description": first_line(module), "at": datetime.now(UTC)},
            )
        print(f"{name} took {time.monotonic() - started:.1f} s")
        count += 1
    return count


if __name__ == "__main__":
    engine = get_engine()
    try:
        print(run_migrations(engine) or "no", "migrations")
    finally:
        engine.dispose()
