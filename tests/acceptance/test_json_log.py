"""`eai migrate --log-format json`: every line on standard error is one event."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from support.forked import commands_of
from support.running import CREATE_LOG, do, gate_of, migration, poll

if TYPE_CHECKING:
    import subprocess

    from sqlalchemy import Engine

    from support.project import Project

FIRST, SECOND = "001_first", "002_second"

TALKATIVE = """
import logging, warnings
from sqlalchemy import text

description = "Says much"

def upgrade(db):
    logging.getLogger("their.migration").info("halfway")
    warnings.warn("an old name")
    db.execute(text("SELECT CAST(:mail AS text)"), {"mail": "ada@example.org"})

def downgrade(db): ...
"""

FAILING = """
from sqlalchemy import text

def upgrade(db):
    db.execute(text("INSERT INTO nowhere VALUES (:mail)"), {"mail": "ada@example.org"})
"""


def events(written: str) -> list[dict[str, Any]]:
    """Every line, without the fields whose values differ from run to run."""
    found = [json.loads(line) for line in written.splitlines()]
    for each in found:
        assert {"ts", "level", "event"} <= each.keys()
        each.pop("ts")
        each.pop("seconds", None)
    return found


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.eai("migrate", "--log-format", "json", *arguments)


def test_a_run_from_its_beginning_to_its_end(project: Project) -> None:
    project.write(FIRST, TALKATIVE)
    project.write(SECOND, "def upgrade(db): ...")
    done = project.program("eai", "migrate", "--log-format", "json")
    assert (done.returncode, done.stdout) == (0, "")
    found = events(done.stderr)
    assert [each["event"] for each in found] == [
        "run.database",
        "run.planned",
        "migration.started",
        "log",
        "log",
        "migration.finished",
        "migration.started",
        "migration.finished",
        "run.finished",
    ]
    assert found[1]["migrations"] == [FIRST, SECOND]
    assert found[2] == {
        "level": "info",
        "event": "migration.started",
        "migration": FIRST,
        "direction": "upgrade",
        "description": "Says much",
    }
    assert (found[3]["logger"], found[3]["message"]) == ("their.migration", "halfway")
    assert "UserWarning: an old name" in found[4]["message"]
    assert found[-1] == {
        "level": "info",
        "event": "run.finished",
        "exit_code": 0,
        "message": "Applied 2 migrations: the database is up to date.",
        "applied": [FIRST, SECOND],
        "reverted": [],
    }


@pytest.mark.parametrize("shown", [False, True])
def test_a_failure_is_told_in_one_event_and_parameters_only_where_asked_for(
    project: Project, *, shown: bool
) -> None:
    project.write(FIRST, FAILING)
    done = run(project, "--verbose", *(["--show-parameters"] if shown else []))
    assert (done.returncode, done.stdout) == (1, "")
    assert ("ada@example.org" in done.stderr) == shown
    *_, statement, failed, error = events(done.stderr)
    assert statement["event"] == "statement"
    assert statement["message"] == "INSERT INTO nowhere VALUES (%(mail)s)"
    assert (failed["event"], failed["migration"]) == ("migration.failed", FIRST)
    assert (error["event"], error["level"], error["exit_code"]) == ("error", "error", 1)
    assert error["migration"] == FIRST
    assert error["message"].startswith(f"{FIRST} failed: ")
    assert 'relation "nowhere" does not exist' in error["message"]


def test_the_variable_asks_for_it_too_and_errors_of_the_configuration_obey(
    folder_project: Project,
) -> None:
    env = {"BRIDGE_LOG_FORMAT": "json"}
    folder_project.ini(extra="wait_for_lock = soon\n")
    done = folder_project.eai("migrate", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    (error,) = events(done.stderr)
    assert (error["event"], error["exit_code"]) == ("error", 2)
    assert "wait_for_lock" in error["message"]
    # What is typed wins over the variable.
    done = folder_project.eai("migrate", "--log-format", "text", env=env)
    assert done.stderr.startswith("Error: ")


def test_a_server_that_cannot_be_reached_is_told_without_the_password(
    folder_project: Project,
) -> None:
    url = "postgresql://app:hunter2@127.0.0.1:1/app"
    done = run(folder_project, "--wait-for-server", "1", "--database-url", url)
    assert done.returncode == 75
    assert "hunter2" not in done.stderr
    found = events(done.stderr)
    assert found[0]["event"] == "run.database"
    assert {each["event"] for each in found[1:-1]} == {"server.unreachable"}
    assert (found[-1]["event"], found[-1]["exit_code"]) == ("error", 75)


def test_another_format_is_refused_in_words(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "--log-format", "xml")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: log_format (--log-format) is 'xml'; it must be one of text, json.\n"
    )


def test_sub_commands_keep_their_results_and_tell_the_rest_as_events(project: Project) -> None:
    project.write(FIRST, "description = 'Says much'\ndef upgrade(db): ...\ndef downgrade(db): ...")
    done = run(project, "--dry-run")
    assert done.stdout == f"Would apply 1 migration:\n  {FIRST}  Says much\n"
    assert [each["event"] for each in events(done.stderr)] == ["run.database", "run.finished"]
    bridge.upgrade(project.url, config=project.path / "alembic.ini")
    done = run(project, "downgrade", "base")
    assert (done.returncode, done.stdout) == (2, "")
    *_, first, second, error = events(done.stderr)
    assert [first["event"], second["event"]] == ["note", "note"]
    assert first["message"] == "Would revert 1 migration:"
    assert "there is no terminal to ask on" in error["message"]
    done = run(project, "downgrade", "base", "--yes")
    assert done.stdout == "Reverted 1 migration: the database is at base.\n"
    assert events(done.stderr)[-1]["reverted"] == [FIRST]


def test_waiting_and_a_signal_are_events(project: Project, engine: Engine) -> None:
    do(engine, CREATE_LOG)
    project.write(FIRST, migration(FIRST, "SELECT pg_advisory_xact_lock(4711)"))
    with gate_of(engine) as gate, commands_of(project) as start:
        winner = start("eai", "migrate", "--log-format", "json")
        poll(gate.waiting, within=60)
        waiter = start("eai", "migrate", "--log-format", "json")
        poll(lambda: waiter.has_told("lock.waiting"), within=60)
        waiting = json.loads(waiter.told("lock.waiting"))
        assert "running 001_first" in waiting["message"]
        for running in (waiter, winner):
            running.send(signal.SIGTERM)
            ended = running.end(within=60)
            assert (ended.code, ended.out) == (143, "")
            last = events(ended.err)[-1]
            assert (last["event"], last["exit_code"]) == ("error", 143)
            assert last["message"].startswith("Interrupted by SIGTERM.")
