"""What runs through a PgBouncer leave on its connections, and what they say of a pool too small."""

from __future__ import annotations

import re
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import bridge
import bridge.locking.pooler
from bridge.errors import LockNotObtained, MigrationError, UsageError
from support.replicas import forking_eai
from support.running import (
    CREATE_LOG,
    PASS_GATE,
    advisory_locks,
    ask,
    assert_applied,
    do,
    gate_of,
    migration,
    poll,
    recorded,
    terminate,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from support.pgbouncer import OpenPooler, Pooler
    from support.project import Project

FIRST, SECOND, THIRD, FOURTH = "001_first", "002_second", "003_third", "004_fourth"

INDEX = f"""
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text("CREATE INDEX CONCURRENTLY log_stem ON log (stem)"))
    db.execute(text("INSERT INTO log (stem) VALUES ('{THIRD}')"))
"""

#: What one migration changes for its session, and never puts back.
CHANGES = (
    "SET application_name = 'changed'",
    "SET lock_timeout = '7s'",
    "SET statement_timeout = '1min'",
    "SET client_connection_check_interval = '5s'",
    "SET search_path = pg_catalog, public",
    "SELECT set_config('work_mem', '5MB', false)",
    "SET ROLE pg_read_all_data",
)


def text_of(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def upgrade(project: Project, url: URL) -> list[str]:
    report = bridge.upgrade(text_of(url), config=project.path / "alembic.ini")
    return [each.stem for each in report.applied]


def application(url: URL) -> Any:
    """Connect as an application does; a client without a name would get the last one's."""
    return psycopg2.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        dbname=url.database,
        application_name="the application",
    )


def connections_of(pooler: Pooler, url: URL) -> list[dict[str, str]]:
    """All settings of each connection that the pooler has to the database, as applications see."""
    pids = {
        server["remote_pid"]
        for server in pooler.ask("SHOW SERVERS")
        if server["database"] == url.database
    }
    found: dict[int, dict[str, str]] = {}
    with ExitStack() as stack:
        for _ in pids:
            cursor = stack.enter_context(closing(application(url))).cursor()
            # In a transaction that stays open, so that the next client gets another one.
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone() or (0,)
            cursor.execute("SELECT name, setting FROM pg_settings")
            found[pid] = dict(cursor.fetchall())
    assert set(found) == pids
    return list(found.values())


def test_runs_leave_the_connections_of_the_pool_as_they_were(
    project: Project, engine: Engine, pooler: Pooler
) -> None:
    do(engine, CREATE_LOG)
    url = pooler.url(engine.url)
    with closing(application(url)) as client:
        client.cursor().execute("SELECT 1")
        client.rollback()
    (before,) = connections_of(pooler, url)
    project.write(FIRST, migration(FIRST, *CHANGES))
    project.write(SECOND, migration(SECOND).replace("db.commit()", "db.commit(); " * 2))
    project.write(THIRD, INDEX)
    with forking_eai(4, replace(project, url=url), "migrate") as runs:
        assert [run.end().code for run in runs] == [0] * 4
    project.write(FOURTH, migration(FOURTH, *CHANGES, "SELECT 1/0"))
    with pytest.raises(MigrationError, match="division by zero"):
        upgrade(project, url)
    after = connections_of(pooler, url)
    assert len(after) >= 2
    for settings in after:
        assert settings == before
    poll(lambda: advisory_locks(engine) == 0)
    assert_applied(engine, FIRST, SECOND, THIRD)


def test_nothing_pending_is_found_out_through_a_pool_of_one(
    project: Project, engine: Engine, open_pooler: OpenPooler
) -> None:
    do(engine, CREATE_LOG)
    project.write(FIRST, migration(FIRST))
    assert upgrade(project, engine.url) == [FIRST]
    with open_pooler(engine.url, pool_size=1) as pooler:
        assert upgrade(project, pooler.url(engine.url)) == []


def test_a_pool_of_two_is_enough_for_eight_processes(
    project: Project, engine: Engine, open_pooler: OpenPooler
) -> None:
    do(engine, CREATE_LOG)
    stems = [f"{number:03}_step" for number in range(1, 11)]
    for stem in stems:
        project.write(stem, migration(stem))
    with (
        open_pooler(engine.url, pool_size=2) as pooler,
        forking_eai(8, replace(project, url=pooler.url(engine.url)), "migrate") as runs,
    ):
        ended = [run.end() for run in runs]
    assert {each.code for each in ended} == {0}, ended
    assert_applied(engine, *stems)


MEND = (
    r"A pooler such as PgBouncer must have two server connections for one run, one for the "
    r"migrations and one for their lock: raise default_pool_size, or the pool_size of this "
    r"database, or set MIGRATION_DATABASE_URL to the address of the server itself\."
)


def test_a_pool_of_one_is_told_and_then_given_up(
    project: Project,
    engine: Engine,
    open_pooler: OpenPooler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """PgBouncer itself would keep the statement waiting for two minutes."""
    monkeypatch.setattr(bridge.locking.pooler, "TELL_AFTER", 0.5)
    monkeypatch.setattr(bridge.locking.pooler, "GIVE_UP_AFTER", 1.0)
    project.write(FIRST, migration(FIRST))
    with open_pooler(engine.url, pool_size=1) as pooler, pytest.raises(LockNotObtained) as caught:
        upgrade(project, pooler.url(engine.url))
    assert re.fullmatch(
        r"The migration lock was obtained, but the connection of the migrations had no answer for "
        rf"1\.5 s, so the pool seems to be too small\. Nothing was started\. {MEND} Then run the "
        r"same command again\.",
        str(caught.value),
    )
    told = [record.getMessage() for record in caplog.records if record.name == "bridge"]
    assert [each for each in told if "too small" in each] == [
        "The migration lock is held, but the first statement of the migrations has had no answer "
        f"for 0.5 s; the pool seems to be too small. {MEND}".replace("\\", "")
    ]
    assert ask(engine, "SELECT to_regclass('schema_migrations') IS NULL")
    poll(lambda: advisory_locks(engine) == 0)


@pytest.mark.parametrize("pool", [{"pool_size": 1, "max_overflow": 0}, {"poolclass": StaticPool}])
def test_an_engine_with_a_pool_of_one_is_enough(
    project: Project, engine: Engine, pooler: Pooler, pool: dict[str, Any]
) -> None:
    """The connection for the lock is made beside it."""
    do(engine, CREATE_LOG)
    project.write(FIRST, migration(FIRST))
    small = create_engine(pooler.url(engine.url), **pool)
    bridge.upgrade(small, config=project.path / "alembic.ini")
    project.write(SECOND, migration(SECOND))
    with small.connect() as connection:
        bridge.upgrade(connection, config=project.path / "alembic.ini")
    small.dispose()
    assert_applied(engine, FIRST, SECOND)
    poll(lambda: advisory_locks(engine) == 0)


KILLED = f"""
from sqlalchemy import text
transaction = "{{transaction}}"
def upgrade(db):
    db.execute(text("INSERT INTO log (stem) VALUES ('{FIRST}')"))
    db.execute(text("{PASS_GATE}"))
"""


@pytest.mark.parametrize("transaction", ["default", "autocommit"])
@pytest.mark.parametrize("successor", ["direct", "through the pooler"])
def test_a_run_that_was_killed_is_waited_for_as_long_as_its_statement_works(
    project: Project, engine: Engine, pooler: Pooler, transaction: str, successor: str
) -> None:
    do(engine, CREATE_LOG)
    do(engine, f"ALTER DATABASE {engine.url.database} SET client_connection_check_interval = '1h'")
    project.write(FIRST, KILLED.format(transaction=transaction))
    behind = replace(project, url=pooler.url(engine.url))
    next_project = project if successor == "direct" else behind
    with gate_of(engine) as gate, forking_eai(1, behind, "migrate") as runs:
        pid = gate.reached()
        runs[0].kill()
        with forking_eai(1, next_project, "migrate") as successors:
            told = successors[0].told("Waiting for the rest of an earlier run")
            assert f"its backend {pid} " in told
            project.write(FIRST, migration(FIRST))
            terminate(engine, pid)
            ended = successors[0].end()
    assert ended.code == 0, ended
    assert recorded(engine) == [FIRST]


def test_a_parameter_that_the_pooler_does_not_pass_on_is_explained(
    project: Project, engine: Engine, pooler: Pooler
) -> None:
    project.write(FIRST, migration(FIRST))
    url = pooler.url(engine.url).update_query_dict({"options": "-c search_path=app"})
    with pytest.raises(UsageError) as caught:
        upgrade(project, url)
    assert "unsupported startup parameter" in str(caught.value)
    assert (
        "the pooler does not pass on a parameter of the URL. Remove it there, or set "
        "MIGRATION_DATABASE_URL to the address of the server itself."
    ) in str(caught.value)
