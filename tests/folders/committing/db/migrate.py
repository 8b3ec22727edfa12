"""Run from anywhere: python db/migrate.py"""

import logging
import os
import runpy
import sys
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parents[1]

logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("migrate")


def done(conn):
    with conn, conn.cursor() as cur:
        cur.execute(
            "CREATE TABLE IF NOT EXISTS _migrations ("
            " path TEXT PRIMARY KEY,"
            " run_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp())"
        )
        cur.execute("SELECT path FROM _migrations")
        return {path for (path,) in cur.fetchall()}


def paths():
    """The files, as they are recorded: relative to the root, with slashes."""
    found = (ROOT / "db" / "migrations").glob("v[0-9][0-9][0-9]_*.py")
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def migrate(conn, path):
    log.info("running %s", path)
    functions = runpy.run_path(str(ROOT / path))
    functions["upgrade"](conn)
    if conn.autocommit:
        conn.autocommit = False
    with conn.cursor() as cur:
        cur.execute("INSERT INTO _migrations (path) VALUES (%s)", (path,))
    conn.commit()


def main():
    sys.path.insert(0, str(ROOT))
    conn = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        already = done(conn)
        new = [path for path in paths() if path not in already]
        for path in new:
            migrate(conn, path)
        log.info("%d new, %d before", len(new), len(already))
    except Exception:
        conn.rollback()
        log.exception("stopped")
        sys.exit(1)
    finally:
        conn.close()


if __name__ == "__main__":
    main()
