"""Usage: migrate.py [up | down | status]"""

import importlib.util
import os
import re
import sys

import psycopg2

HERE = os.path.dirname(os.path.abspath(__file__))
MIGRATIONS = os.path.join(HERE, "migrations")


def connect():
    return psycopg2.connect(os.environ["DATABASE_URL"])


def current_version(cur):
    cur.execute("""
        CREATE TABLE IF NOT EXISTS schema_version (
            version INTEGER PRIMARY KEY,
            applied_at TIMESTAMP NOT NULL DEFAULT now()
        )
    """)
    cur.execute("SELECT MAX(version) FROM schema_version")
    return cur.fetchone()[0] or 0


def discover():
    """(number, file name) of every migration, lowest first."""
    found = []
    for name in os.listdir(MIGRATIONS):
        match = re.match(r"^(\d{3})_\w+\.py$", name)
        if match:
            found.append((int(match.group(1)), name))
    return sorted(found)


def load(name):
    spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(MIGRATIONS, name))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def up(conn):
    with conn, conn.cursor() as cur:
        version = current_version(cur)
    for number, name in discover():
        if number <= version:
            continue
        print("->", name)
        with conn, conn.cursor() as cur:  # one transaction for each
            load(name).up(cur)
            cur.execute("INSERT INTO schema_version (version) VALUES (%s)", (number,))


def down(conn):
    with conn, conn.cursor() as cur:
        version = current_version(cur)
        for number, name in discover():
            if number == version:
                print("<-", name)
                load(name).down(cur)
                cur.execute("DELETE FROM schema_version WHERE version = %s", (number,))


def status(conn):
    with conn, conn.cursor() as cur:
        version = current_version(cur)
    for number, name in discover():
        print("[x]" if number <= version else "[ ]", name)


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else "up"
    connection = connect()
    try:
        {"up": up, "down": down, "status": status}[command](connection)
    finally:
        connection.close()
