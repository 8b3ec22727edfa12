"""Several processes that migrate one database at the same time."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.locking.holder import CONNECTION_ALIVE, LOCK_CLASS, MIGRATION_LOCK
from support.forked import Commands, commands_of
from support.running import (
    CREATE_LOG,
    PASS_GATE,
    Gate,
    ask,
    assert_applied,
    do,
    gate_of,
    migration,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Engine

    from support.project import Project
    from support.replicas import Result

FIRST, SECOND, THIRD = "001_first", "002_second", "003_third"

UP_TO_DATE = "Nothing to do: the database is up to date.\n"


@pytest.fixture
def start(project: Project, engine: Engine) -> Iterator[Commands]:
    """Start `eai migrate`, or what is named, for a database that has the table `log`."""
    do(engine, CREATE_LOG)
    with commands_of(project) as start:
        yield start


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    """A shut gate."""
    with gate_of(engine) as gate:
        yield gate


def many(project: Project, count: int, **special: str) -> list[str]:
    """This many migrations, those in `special` with another body; returns their stems."""
    stems = [f"{number:03}_step" for number in range(1, count + 1)]
    for stem in stems:
        project.write(stem, special.get(stem) or migration(stem))
    return stems


def applied_by(ended: Result) -> int:
    """How many migrations a run says it has applied; it must have ended well."""
    assert ended.code == 0, ended
    if ended.out == UP_TO_DATE:
        return 0
    found = re.fullmatch(r"Applied (\d+) migrations?: the database is up to date\.\n", ended.out)
    assert found is not None, ended
    return int(found[1])


def holder_of(engine: Engine, key: int) -> int:
    query = (
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database AND "
        "datname = current_database() "
        "WHERE locktype = 'advisory' AND granted AND classid = :c AND objid = :key"
    )
    return int(ask(engine, query, c=LOCK_CLASS, key=key))


def test_the_second_of_two_waits_says_for_whom_and_finds_nothing_to_do(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    project.write(FIRST, migration(FIRST))
    project.write(SECOND, migration(SECOND, PASS_GATE))
    project.write(THIRD, migration(THIRD))
    first = start()
    gate.reached()
    second = start()
    told = second.told("Waiting")
    assert re.fullmatch(
        r"Waiting for the migration lock: it is held by backend "
        rf"{holder_of(engine, MIGRATION_LOCK)} \(role \w+, [\w. ]+\), running {SECOND}, "
        r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([^()]+\)\.",
        told,
    ), told
    assert not second.ended
    gate.open()
    assert applied_by(first.end()) == 3
    assert applied_by(second.end()) == 0
    assert_applied(engine, FIRST, SECOND, THIRD)


def test_a_run_with_more_files_goes_on_where_the_first_one_ended(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    """It decides what is pending after its wait, not before."""
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    gate.reached()
    project.write(SECOND, migration(SECOND))
    second = start()
    second.told("Waiting for the migration lock")
    gate.open()
    assert applied_by(first.end()) == 1
    assert applied_by(second.end()) == 1
    assert_applied(engine, FIRST, SECOND)


def test_after_a_failure_the_one_that_waited_tries_for_itself(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    fails_once = """
    mark = Path(__file__).with_suffix(".tried")
    if not mark.exists():
        mark.touch()
        raise ValueError("the first time")
"""
    project.write(FIRST, migration(FIRST))
    body = migration(SECOND, PASS_GATE, commit=False, head="from pathlib import Path")
    project.write(SECOND, body.rstrip() + fails_once)
    first = start()
    gate.reached()
    second = start()
    second.told("Waiting for the migration lock")
    gate.open()
    ended = first.end()
    assert ended.code == 1, ended
    assert f"{SECOND} failed: " in ended.err
    assert applied_by(second.end()) == 1
    assert_applied(engine, FIRST, SECOND)


def test_two_started_together_on_an_empty_database_apply_each_migration_once(
    project: Project, engine: Engine, start: Commands
) -> None:
    stems = many(project, 5)
    runs = [start(), start()]
    assert sum(applied_by(run.end()) for run in runs) == 5
    assert_applied(engine, *stems)


def test_one_that_waits_outlives_the_timeout_of_idle_sessions(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    do(engine, f"ALTER DATABASE {engine.url.database} SET idle_session_timeout = '300ms'")
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    gate.reached()
    second = start()
    second.told("Waiting for the migration lock")
    time.sleep(1)  # more than the timeout
    gate.open()
    assert applied_by(first.end()) == 1
    assert applied_by(second.end()) == 0


def test_a_role_that_may_have_one_connection_can_migrate(
    project: Project, engine: Engine, start: Commands
) -> None:
    role = f"bridge_limited_{secrets.token_hex(4)}"
    project.write(FIRST, migration(FIRST))
    do(
        engine,
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1",
        f"GRANT ALL ON SCHEMA public TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    url = engine.url.set(username=role, password="secret")
    try:
        ended = start("eai", "migrate", "--database-url", str_of(url)).end()
        assert applied_by(ended) == 1
    finally:
        do(engine, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_alembic_and_eai_take_turns(project: Project, engine: Engine, start: Commands) -> None:
    stems = many(project, 10)
    runs = [start(*command) for command in 2 * [("alembic", "upgrade", "head"), ("eai", "migrate")]]
    assert [run.end().code for run in runs] == [0, 0, 0, 0]
    assert_applied(engine, *stems)


def test_alembic_says_for_whom_it_waits(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    gate.reached()
    second = start("alembic", "upgrade", "head")
    told = second.told("Waiting for the migration lock")
    assert f"backend {holder_of(engine, MIGRATION_LOCK)} " in told
    assert f", running {FIRST}, " in told
    gate.open()
    assert applied_by(first.end()) == 1
    assert second.end().code == 0
    assert_applied(engine, FIRST)


def test_a_downgrade_waits_for_an_upgrade(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    """And reverts what is last when its turn comes."""
    revert = f"""
def downgrade(db):
    db.execute(text("DELETE FROM log WHERE stem = '{SECOND}'"))
"""
    project.write(FIRST, migration(FIRST, PASS_GATE))
    project.write(SECOND, migration(SECOND) + revert)
    up = start()
    gate.reached()
    down = start("alembic", "downgrade", "-1")
    down.told("Waiting for the migration lock")
    gate.open()
    assert applied_by(up.end()) == 2
    ended = down.end()
    assert ended.code == 0, ended
    assert_applied(engine, FIRST)


def test_when_the_wait_is_over_the_holder_is_named_and_the_exit_code_is_75(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    holder = gate.reached()
    assert {holder_of(engine, key) for key in (MIGRATION_LOCK, CONNECTION_ALIVE)} == {holder}
    ended = start("eai", "migrate", "--wait-for-lock", "0.5").end()
    assert (ended.code, ended.out) == (75, "")
    assert re.search(
        r"\nError: The migration lock of this database was not obtained within 0\.5 s: it is held "
        rf"by backend {holder} \(.*\), running {FIRST}, since .*\. Nothing was started\. Run the "
        r"same command again when that is done\. Only if you are sure that it hangs, end it with: "
        rf"SELECT pg_terminate_backend\({holder}\);\n\Z",
        ended.err,
    ), ended.err
    gate.open()
    assert applied_by(first.end()) == 1
    assert_applied(engine, FIRST)


def test_the_advice_for_a_run_that_hangs_ends_it(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    gate.reached()
    ended = start("eai", "migrate", "--wait-for-lock", "0").end()
    advice = re.search(r"SELECT pg_terminate_backend.*;", ended.err)
    assert advice is not None, ended
    do(engine, advice[0])
    assert first.end().code == 75
    gate.open()
    assert applied_by(start().end()) == 1
    assert_applied(engine, FIRST)


def str_of(url: URL | None) -> str:
    assert url is not None
    return url.render_as_string(hide_password=False)


def test_two_databases_of_one_server_do_not_wait_for_each_other(
    project: Project,
    engine: Engine,
    start: Commands,
    gate: Gate,
    create_database: Callable[[], URL],
) -> None:
    project.write(FIRST, migration(FIRST, PASS_GATE))
    first = start()
    gate.reached()
    other = create_engine(create_database(), poolclass=NullPool)
    do(other, CREATE_LOG)
    ended = start("eai", "migrate", "--database-url", str_of(other.url)).end()
    assert applied_by(ended) == 1
    assert "Waiting" not in ended.err
    gate.open()
    assert applied_by(first.end()) == 1
