"""A service that instruments its database driver, and then migrates in every way there is."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.project import Project

#: The ways in which the program hands in its database, each with a migration of its own.
WAYS = ("url", "engine", "connection", "in_begin", "command", "command_connection", "later")

#: It commits in the middle, and uses the driver below SQLAlchemy.
_FILE = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE {table} (id int, what text)"))
    db.commit()
    db.execute(text("INSERT INTO {table} VALUES (1, :what)"), {{"what": "100%"}})
    driver = db.connection().connection.dbapi_connection
    with driver.cursor() as cursor:
        cursor.execute("INSERT INTO {table} VALUES (%s, %s)", (2, "raw"))
        cursor.execute("SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (2,)
        cursor.connection.commit()
        cursor.execute("INSERT INTO {table} VALUES (3, 'rolled back')")
    with driver.cursor("named") as cursor:
        cursor.execute("SELECT id FROM {table}")
        assert len(cursor.fetchall()) == 3
    db.rollback()
    db.execute(text("INSERT INTO {table} VALUES (4, 'last')"))
    db.commit()
"""
_FAILS = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE kept (id int)"))
    db.commit()
    db.execute(text("CREATE TABLE undone (id int)"))
    db.execute(text("SELECT 1 / 0"))
"""
_OUTSIDE = """\
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text("CREATE INDEX CONCURRENTLY kept_id ON kept (id)"))
"""

_PROGRAM = """\
import os
import bridge
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from bridge.errors import MigrationError

URL = os.environ["DATABASE_URL"]
early = create_engine(URL).connect()
early.commit()
{before}
engine = create_engine(URL)
config = Config("alembic.ini")
ways = dict(enumerate({ways!r}, start=1))
for number, way in ways.items():
    to = f"{{number:03}}_{{way}}"
    if way in ("url", "engine"):
        bridge.upgrade({{"url": URL, "engine": engine}}[way], to=to)
    elif way == "later":
        # It was open before anything was instrumented.
        bridge.upgrade(early, to=to)
    elif way == "command":
        config.attributes["connection"] = engine
        command.upgrade(config, to)
    else:
        with engine.connect() as connection:
            if way == "in_begin":
                connection.begin()
            if way == "command_connection":
                config.attributes["connection"] = connection
                command.upgrade(config, to)
            else:
                bridge.upgrade(connection, to=to)
            connection.commit()
with engine.connect() as connection:
    for way in ways.values():
        rows = connection.execute(text(f"SELECT id, what FROM {{way}} ORDER BY id")).all()
        assert rows == [(1, "100%"), (2, "raw"), (4, "last")], (way, rows)
try:
    bridge.upgrade(engine)
except MigrationError as error:
    assert "SELECT 1 / 0" in str(error) and "division by zero" in str(error), error
else:
    raise AssertionError("a failing migration was applied")
with engine.connect() as connection:
    tables = connection.scalar(text("SELECT (to_regclass('kept'), to_regclass('undone'))::text"))
    assert tables == "(kept,)", tables
os.rename("migrations/998_fails.py", "migrations/_998_fails.py")
bridge.upgrade(engine)
assert bridge.status(engine).pending == ()
with engine.connect() as connection:
    # Its own session apart, nothing that bridge has opened is there, and nothing is locked.
    assert connection.scalar(text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )) == 0
early.close()
engine.dispose()
{after}
"""


def run_instrumented(project: Project, before: str, after: str = "") -> list[str]:
    """Run the program with this instrumentation, and return what it prints."""
    for number, way in enumerate(WAYS, start=1):
        project.write(f"{number:03}_{way}", _FILE.format(table=way))
    project.write("998_fails", _FAILS)
    project.write("999_outside", _OUTSIDE)
    program = _PROGRAM.format(before=dedent(before), after=dedent(after), ways=WAYS)
    (project.path / "program.py").write_text(program)
    return project.program("python", "-Werror", "program.py", check=True).stdout.splitlines()
