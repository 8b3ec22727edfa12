"""Names, rows, roles and messages that would steer a terminal, through every command."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.obeyed import obeyed
from support.running import do

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from support.project import Project

Commands = tuple[tuple[str, ...], ...]

CLEAR, BACK, RIGHT_TO_LEFT, EIGHT_BIT = "\x1b[2J", "\r", "\u202e", "\x9b2J"
GONE = f"000_gone{CLEAR}{BACK}{RIGHT_TO_LEFT}"
APPLIED = f"001_applied{CLEAR}"
CHANGED = f"002_changed{RIGHT_TO_LEFT}{EIGHT_BIT}"
LATE = f"0015_late{BACK}\x7f"
PENDING = f"003_pending{CLEAR}"
ALL = f"{CLEAR}{BACK}{RIGHT_TO_LEFT}{EIGHT_BIT}\x7f\u2028\u2066"

FILE = """
description = {description!r}
def upgrade(db):
    from sqlalchemy import text
    db.execute(text({sql!r}))
def downgrade(db):
    pass
"""
LOOKING: Commands = (
    ("migrate", "--dry-run"),
    ("migrate", "status"),
    ("migrate", "status", "--check"),
    ("migrate", "status", "--offline"),
    ("migrate", "check"),
    ("migrate", "check", "--database"),
    ("migrate", "lint"),
    ("migrate", "lock"),
    ("migrate", "repair", "--dry-run"),
    ("migrate", "mark", "003", "--applied", "--dry-run"),
    ("migrate", "mark", "00", "--applied", "--dry-run"),
    ("migrate", "mark", "003", "--applied"),
    ("migrate", "downgrade", "--steps", "2", "--dry-run"),
    ("migrate", "downgrade", "--steps", "9", "--dry-run"),
    ("migrate", "downgrade", "--steps", "1"),
    ("migrate", "--to", "00"),
)
ALEMBIC: Commands = (
    ("history",),
    ("history", "--verbose"),
    ("history", "--indicate-current"),
    ("heads", "--verbose"),
    ("show", "head"),
    ("current",),
    ("current", "--verbose"),
    ("upgrade", "00"),
    ("check",),
    ("branches",),
)
AS_JSON: Commands = (
    ("migrate", "status", "--json"),
    ("migrate", "check", "--database", "--json"),
    ("migrate", "lock", "--json"),
)
RUNNING: Commands = (
    ("migrate", "--verbose"),
    ("migrate", "mark", "003", "--pending", "--yes"),
    ("migrate", "repair", "--yes"),
    ("migrate",),
    ("migrate", "downgrade", "--steps", "1", "--yes"),
)


def write(project: Project, stem: str, sql: str = "SELECT 1") -> None:
    (project.migrations / f"{stem}.py").write_text(
        FILE.format(description=f"About{ALL} {stem}", sql=sql), encoding="utf-8"
    )


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    name = f"bridge_{secrets.token_hex(4)}{CLEAR}{RIGHT_TO_LEFT}"
    do(
        engine,
        f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'secret'",
        f'GRANT CREATE, USAGE ON SCHEMA public TO "{name}"',
    )
    yield name
    do(engine, f'DROP OWNED BY "{name}" CASCADE', f'DROP ROLE "{name}"')


@pytest.fixture
def steering(project: Project, role: str) -> Project:
    """A database and a folder in which hardly a name is harmless."""
    assert project.url is not None
    project = replace(project, url=project.url.set(username=role, password="secret"))
    for stem in (GONE, APPLIED, CHANGED):
        write(project, stem)
    project.eai("migrate", check=True)
    (project.migrations / f"{GONE}.py").unlink()
    write(project, CHANGED, "SELECT 2")
    write(project, LATE)
    write(project, PENDING, f"COMMENT ON TABLE schema_migrations IS 'is{ALL}'")
    return project


def told(project: Project, name: str, *arguments: str, **env: str) -> str:
    """All that a command writes, of which a terminal may obey nothing."""
    done = (project.alembic if name == "alembic" else project.eai)(*arguments, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    for stream in (done.stdout, done.stderr):
        assert obeyed(stream) == "", (arguments, stream)
    return done.stdout + done.stderr


def test_no_command_writes_what_a_terminal_obeys(steering: Project) -> None:
    for arguments in LOOKING:
        told(steering, "eai", *arguments)
    for arguments in ALEMBIC:
        told(steering, "alembic", *arguments)
    shown = told(steering, "eai", "migrate", "status")
    for each in (r"000_gone\x1b[2J\r\u202e", r"002_changed\u202e\x9b2J", r"0015_late\r\x7f"):
        assert each in shown
    for arguments in RUNNING:
        told(steering, "eai", *arguments)


def test_json_says_what_there_is(steering: Project) -> None:
    for arguments in AS_JSON:
        told(steering, "eai", *arguments)
    found = json.loads(steering.eai("migrate", "status", "--json").stdout)
    versions = [each["version"] for each in found["migrations"]]
    assert sorted(versions) == sorted((GONE, APPLIED, CHANGED, LATE, PENDING))
    for line in told(steering, "eai", "migrate", "--log-format", "json").splitlines():
        event = json.loads(line)
        assert event["event"] != "migration.started" or event["migration"] in (LATE, PENDING)


def test_sql_for_a_program_stays_as_it_is(steering: Project) -> None:
    for arguments in (("migrate", "--sql"), ("migrate", "rehearse", "--yes")):
        done = steering.eai(*arguments, check=True)
        assert f"COMMENT ON TABLE schema_migrations IS 'is{ALL}'" in done.stdout
        assert obeyed(done.stderr) == ""


def test_a_name_of_two_lines_writes_no_line_of_sql(project: Project) -> None:
    write(project, "001_a\nDROP TABLE everything; --")
    done = project.eai("migrate", "rehearse", "--yes", check=True)
    assert "\nDROP TABLE" not in done.stdout
    assert r"-- 001_a\nDROP TABLE everything; --.py" in done.stdout


def test_what_a_server_says_is_escaped(steering: Project, engine: Engine) -> None:
    raises = f"DO $$ BEGIN RAISE EXCEPTION 'no{ALL}' USING HINT = 'hint{ALL}'; END $$"
    write(steering, PENDING, raises)
    failing: Commands = (("migrate", "--verbose"), ("migrate", "rehearse", "--yes"))
    for arguments in failing:
        said = told(steering, "eai", *arguments)
        # What ends a line somewhere ends one of the message too, which is indented.
        assert "RaiseException: no\\x1b[2J\n  \\u202e\\x9b2J\\x7f\n  \\u2066\n" in said
    assert r"no\x1b[2J" in told(steering, "alembic", "upgrade", "head")
    with engine.begin() as connection:
        rows = text("INSERT INTO schema_migrations (version) VALUES (:a), (:b)")
        connection.execute(rows, {"a": f"{APPLIED}.py", "b": f"004_newer{ALL}"})
    looking: Commands = (("migrate",), ("migrate", "status"), ("migrate", "check", "--database"))
    for arguments in looking:
        assert r"001_applied\x1b[2J" in told(steering, "eai", *arguments)
    told(steering, "alembic", "upgrade", "head")


def test_a_folder_that_is_refused_is_told_without_its_controls(project: Project) -> None:
    os.mkfifo(project.migrations / f"{APPLIED}.py")
    write(project, f"002_a{CLEAR}")
    write(project, f"002_a{CLEAR.replace('[', ']')}")
    (project.migrations / f"helper{CLEAR}.py").write_text("def upgrade(db): pass\n")
    commands: Commands = (("migrate",), ("migrate", "check"), ("migrate", "new", "x"))
    for arguments in commands:
        assert r"001_applied\x1b[2J.py" in told(project, "eai", *arguments)
    assert r"001_applied\x1b[2J.py" in told(project, "alembic", "history")
