"""Apply migrations and keep the history that the auditors want to see."""

import importlib.util
import os
import re
import time
from pathlib import Path

import sqlalchemy as sa

HERE = Path(__file__).resolve().parent

HISTORY = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.migration_history (
    installed_rank SERIAL PRIMARY KEY,
    script TEXT NOT NULL,
    batch INTEGER NOT NULL,
    installed_by TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    success BOOLEAN NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now()
);
"""


def make_engine():
    url = sa.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    return sa.create_engine(url)


def scripts():
    found = []
    for path in (HERE / "migrations").iterdir():
        if match := re.match(r"(\d+)_\w+\.py$", path.name):
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)]


def load(path):
    spec = importlib.util.spec_from_file_location(f"m{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(engine, script, batch, started, success):
    with engine.begin() as conn:
        conn.execute(
            sa.text(
                "INSERT INTO ops.migration_history"
                " (script, batch, installed_by, duration_ms, success)"
                " VALUES (:script, :batch, current_user, :ms, :success)"
            ),
            {
                "script": script,
                "batch": batch,
                "ms": round((time.monotonic() - started) * 1000),
                "success": success,
            },
        )


def main():
    engine = make_engine()
    with engine.begin() as conn:
        conn.execute(sa.text(HISTORY))
        installed = set(
            conn.scalars(sa.text("SELECT script FROM ops.migration_history WHERE success"))
        )
        batch = conn.scalar(
            sa.text("SELECT coalesce(max(batch), 0) + 1 FROM ops.migration_history")
        )
    for path in scripts():
        script = path.relative_to(HERE).as_posix()
        if script in installed:
            continue
        started = time.monotonic()
        try:
            load(path).upgrade(engine)
        except Exception:
            record(engine, script, batch, started, False)
            raise
        record(engine, script, batch, started, True)
        print("installed", script)
    engine.dispose()


if __name__ == "__main__":
    main()
