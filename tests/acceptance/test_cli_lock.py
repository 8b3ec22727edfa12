"""`eai migrate lock`, beside processes that migrate and wait."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from bridge.errors import TryAgain, UsageError
from bridge.locking.holder import CONNECTION_ALIVE, LOCK_CLASS, MIGRATION_LOCK
from bridge.operations.lock_status import LockStatus, cancel_statement, lock_status
from support.forked import commands_of
from support.running import CREATE_LOG, ask, do, gate_of, poll, recorded
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from support.forked import Commands
    from support.project import Project
    from support.replicas import Child
    from support.running import Gate

FIRST, SECOND = "001_first", "002_second"
#: Seconds until what must happen has not happened.
LONG = 60.0

#: Waits at the gate in a statement that holds a customer's number and mail address.
AT_THE_GATE = r"""
from sqlalchemy import text

def upgrade(db):
    db.execute(
        text('''
            SELECT pg_advisory_xact_lock(4711), -- a lock
                   :mail, 0171234567
        '''),
        {"mail": "ada@example.org"},
    )
"""
SHAPE = "SELECT pg_advisory_xact_lock(?),"

#: Waits for a file, in Python, with its transaction open.
FOR_A_FILE = """
import pathlib, time
from sqlalchemy import text

def upgrade(db):
    db.execute(text("SELECT 1"))
    pathlib.Path("waiting").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
"""

NOBODY = "Nobody holds the migration lock of this database."
THEN = (
    "002_second then fails: what it has not committed is rolled back, and what was applied before "
    "it stays. The next run begins with it again."
)


@pytest.fixture
def start(project: Project) -> Iterator[Commands]:
    with commands_of(project) as start:
        yield start


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    with gate_of(engine) as gate:
        yield gate


@pytest.fixture
def stuck(project: Project, engine: Engine, gate: Gate, start: Commands) -> tuple[Child, int]:
    """A run whose second migration waits for the test, and its backend."""
    do(engine, CREATE_LOG)
    project.write(FIRST, "def upgrade(db): ...")
    project.write(SECOND, AT_THE_GATE)
    running = start()
    poll(gate.waiting, within=LONG)
    return running, gate.reached()


def autocommitting(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def seen(engine: Engine, **options: Any) -> LockStatus:
    with autocommitting(engine) as connection:
        return lock_status(connection, **options)


@contextmanager
def role_of(engine: Engine) -> Iterator[Engine]:
    """A role that may not look at others."""
    name = f"bridge_test_{secrets.token_hex(4)}"
    do(engine, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield create_engine(engine.url.set(username=name, password="secret"), poolclass=NullPool)
    do(engine, f"DROP ROLE {name}")


def test_nobody_holds_the_lock(project: Project, engine: Engine) -> None:
    done = project.eai("migrate", "lock", check=True)
    assert done.stdout == f"{NOBODY}\n"
    assert done.stderr.startswith(f"Database {engine.url.database} ")
    done = project.eai("migrate", "lock", "--cancel", check=True)
    assert done.stdout == f"Nothing to cancel. {NOBODY}\n"
    assert project.eai("migrate", "lock", "--json", "--cancel").returncode == 2
    assert seen(engine).to_json() == {
        "held": False,
        "holder": None,
        "migration": None,
        "worker": None,
        "blockers": [],
        "waiters": [],
    }


def test_it_shows_who_migrates_who_waits_and_who_is_in_the_way(
    project: Project, engine: Engine, gate: Gate, start: Commands, stuck: tuple[Child, int]
) -> None:
    _, worker = stuck
    start()
    poll(lambda: seen(engine).waiters, within=LONG)
    done = project.eai("migrate", "lock", check=True)
    assert "ada@" not in done.stdout + done.stderr
    assert "0171234567" not in done.stdout + done.stderr
    blocker = gate._connection.scalar(text("SELECT pg_backend_pid()"))
    gate._connection.commit()
    time = r"\d[\d. a-z]*"
    here = r"role postgres, on the server itself"
    held = rf"backend \d+ \({here}\), running 002_second, since \d{{4}}-[-\d: ]+ UTC \({time}\)"
    end = rf"SELECT pg_terminate_backend\({blocker}\);"
    expected = [
        rf"The migration lock is held by {held}\.",
        rf"  Backend {worker} runs a statement, for {time} so far:",
        rf"    {re.escape(SHAPE)}",
        rf"  It waits for pid {blocker} \(.*role postgres, idle for {time}.*\)\.",
        rf"  Only if you are sure that it hangs, end it with: {end}",
        r"  1 process waits for the lock:",
        rf"    backend \d+ \({here}\), for {time}",
    ]
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), done.stdout
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_as_json_it_has_the_same(
    project: Project, engine: Engine, stuck: tuple[Child, int]
) -> None:
    _, worker = stuck
    found = json.loads(project.eai("migrate", "lock", "--json", check=True).stdout)
    assert list(found) == ["held", "holder", "migration", "worker", "blockers", "waiters"]
    assert (found["held"], found["migration"]) == (True, SECOND)
    assert found["holder"]["application_name"] == "bridge: 002_second"
    assert (found["worker"]["pid"], found["worker"]["statement"]) == (worker, SHAPE)
    assert found["worker"]["seconds"] > 0
    (blocker,) = found["blockers"]
    assert blocker["state"] == "idle"
    # Shown as it was sent only where that is asked for.
    shown = seen(engine, verbatim=True).worker
    assert shown is not None
    assert shown.statement == "SELECT pg_advisory_xact_lock(4711), -- a lock"


def test_the_statement_is_cancelled_and_the_migration_fails(
    project: Project, engine: Engine, stuck: tuple[Child, int]
) -> None:
    running, worker = stuck
    refused = project.eai("migrate", "lock", "--cancel")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[-1] == (
        f"Error: This would cancel the statement of backend {worker}, but there is no terminal to "
        f"ask on. {THEN} Nothing was cancelled. To do it without the question, add --yes."
    )
    assert not running.ended
    done = project.eai("migrate", "lock", "--cancel", "--yes", check=True)
    assert done.stdout == f"Asked backend {worker} to cancel its statement.\n"
    ended = running.end(within=LONG)
    assert ended.code == 1, ended
    assert "canceling statement due to user request" in ended.err
    assert "Somebody cancelled the statement: with `eai migrate lock --cancel`, at a" in ended.err
    assert recorded(engine) == [FIRST]


def test_at_a_terminal_it_asks(project: Project, engine: Engine, stuck: tuple[Child, int]) -> None:
    running, worker = stuck
    code, written = run_on_terminal(project, "migrate", "lock", "--cancel", typed="n\n")
    assert code == 1, written
    assert "Nothing was cancelled." in written
    assert f"Backend {worker} runs a statement" in written
    assert THEN in " ".join(written.split())
    assert not running.ended


def test_a_migration_that_runs_no_statement_has_none_to_cancel(
    project: Project, engine: Engine, start: Commands
) -> None:
    project.write(FIRST, FOR_A_FILE)
    running = start()
    poll((project.path / "waiting").exists, within=LONG)
    worker = seen(engine).worker
    assert worker is not None
    done = project.eai("migrate", "lock", "--cancel", "--yes", check=True)
    assert done.stdout == (
        f"Nothing to cancel: backend {worker.pid} runs no statement now (idle in transaction). "
        "Only if you are sure that it hangs, end it with: SELECT pg_terminate_backend("
        f"{worker.pid});\n"
    )
    assert seen(engine).lines[1] == (
        f"  Backend {worker.pid} runs no statement now (idle in transaction)."
    )
    (project.path / "go").touch()
    assert running.end(within=LONG).code == 0


def test_a_role_that_may_not_look_or_cancel_is_told_so(
    engine: Engine, stuck: tuple[Child, int]
) -> None:
    _, worker = stuck
    with role_of(engine) as other:
        found = seen(other)
        assert found.lines[0].endswith(
            "(role postgres, address not shown to this role), running 002_second."
        )
        assert found.lines[1] == f"  Backend {worker}: what it does is not shown to this role."
        with autocommitting(other) as connection, pytest.raises(UsageError) as caught:
            cancel_statement(connection, found)
    assert str(caught.value) == (
        "This role may not cancel a statement of role postgres. Nothing was cancelled. Run this as "
        "that role, as a superuser, or as a member of pg_signal_backend."
    )


def test_a_statement_that_has_ended_meanwhile_is_not_mistaken_for_another(
    engine: Engine, gate: Gate, stuck: tuple[Child, int]
) -> None:
    found = seen(engine)
    gate.open()
    assert stuck[0].end(within=LONG).code == 0
    with autocommitting(engine) as connection, pytest.raises(TryAgain) as caught:
        cancel_statement(connection, found)
    assert str(caught.value) == "That statement has ended meanwhile. Nothing was cancelled."


def test_what_a_killed_run_has_left_is_shown(engine: Engine) -> None:
    with engine.connect() as left:
        pid = left.scalar(text("SELECT pg_backend_pid()"))
        left.execute(text(f"SELECT pg_advisory_lock({LOCK_CLASS}, {CONNECTION_ALIVE})"))
        assert seen(engine).lines[0] == (
            "Nobody holds the migration lock of this database, but a killed run has left backend "
            f"{pid}, which still works; the next run waits for it."
        )


def test_a_run_is_one_backend(engine: Engine, stuck: tuple[Child, int]) -> None:
    found = seen(engine)
    assert found.holder is not None
    assert found.worker is not None
    assert (found.holder.pid, found.worker.pid, found.migration) == (stuck[1], stuck[1], SECOND)
    here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    # Beside the one that asks, and the gate's.
    assert ask(engine, f"{here} AND backend_type = 'client backend'") == 3


def test_a_holder_behind_a_pooler_without_a_transaction_of_its_migrations(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('application_name', 'bridge: x', true)"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {MIGRATION_LOCK})"))
        assert seen(engine).lines[1:] == [
            ("  This role may not see which backend runs its migrations.")
        ]


def test_several_that_wait_are_listed(engine: Engine) -> None:
    with engine.connect() as one, engine.connect() as two:
        for connection in (one, two):
            connection.execute(text("SET application_name = 'bridge (waiting)'"))
        lines = seen(engine).lines
        assert lines[:2] == [NOBODY, "  2 wait for the lock:"]
        assert len(lines) == 4
