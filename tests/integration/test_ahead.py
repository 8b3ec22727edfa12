"""The connections of a run that are open before an Engine asks for them."""

from __future__ import annotations

import secrets
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

import bridge
from bridge.database.engine import make_engine
from bridge.database.preconnect import Ahead
from bridge.database.url import connection_parameters
from bridge.errors import FilesError, LockNotObtained
from support.books import LOGGED
from support.running import ask, do, listened, poll, recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import URL

    from support.project import Project

PID = """
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE ran_on AS SELECT pg_backend_pid() AS pid, "
                    "current_setting('work_mem') AS work_mem"))
"""


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The backends of the connections that the driver makes from here on, in that order."""
    pids: list[int] = []
    connect = psycopg2.connect

    def noting(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        pids.append(connection.info.backend_pid)
        return connection

    monkeypatch.setattr(psycopg2, "connect", noting)
    return pids


@pytest.fixture
def parameters(engine: Engine) -> dict[str, Any]:
    return dict(connection_parameters(engine.url))


@pytest.fixture
def role(engine: Engine) -> Iterator[URL]:
    """An ordinary role that may create tables."""
    name = f"bridge_ahead_{secrets.token_hex(4)}"
    do(engine, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    do(engine, f"GRANT CREATE ON SCHEMA public TO {name}")
    yield engine.url.set(username=name, password="secret")
    do(engine, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def upgrade(project: Project, url: URL | None = None) -> list[str]:
    url = url or project.url
    assert url is not None
    report = bridge.upgrade(
        url.render_as_string(hide_password=False),
        config=project.path / "alembic.ini",
        wait_for_server=0,
    )
    return [each.stem for each in report.applied]


def wait_for_the_end_of(engine: Engine, pids: Iterable[int]) -> None:
    """Return when none of these backends is there."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:pids)"
    poll(lambda: ask(engine, asked, pids=list(pids)) == 0)


def test_a_run_makes_two_connections_and_migrates_over_the_one_that_it_asked_over(
    project: Project, engine: Engine, connected: list[int]
) -> None:
    project.write("001_pid", PID)
    assert upgrade(project) == ["001_pid"]
    first, second = connected
    assert ask(engine, "SELECT pid FROM ran_on") == first
    wait_for_the_end_of(engine, [first, second])


def test_nothing_is_opened_ahead_where_nothing_is_pending(
    project: Project, connected: list[int]
) -> None:
    project.write("001_pid", PID)
    upgrade(project)
    connected.clear()
    assert upgrade(project) == []
    assert len(connected) == 1


def test_what_nobody_has_asked_for_is_closed(
    project: Project, engine: Engine, connected: list[int]
) -> None:
    project.write("001_bad", "def upgrade(db:\n")
    with pytest.raises(FilesError):
        upgrade(project)
    own = tuple(connected)
    assert own
    wait_for_the_end_of(engine, own)


def test_listeners_of_a_pool_hear_of_a_connection_that_was_open_already(
    project: Project, engine: Engine
) -> None:
    def tune(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            cursor.execute("SET work_mem = '7MB'")
        dbapi.commit()

    project.write("001_pid", PID)
    with listened(Pool, "connect", tune):
        upgrade(project)
    assert ask(engine, "SELECT work_mem FROM ran_on") == "7MB"


def test_a_program_that_tells_engines_how_to_connect_tells_those_of_the_run_as_well(
    project: Project, engine: Engine, connected: list[int]
) -> None:
    def tell(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["options"] = "-c work_mem=9MB"

    project.write("001_pid", PID)
    with listened(Engine, "do_connect", tell):
        upgrade(project)
    own = tuple(connected)
    assert ask(engine, "SELECT work_mem FROM ran_on") == "9MB"
    assert ask(engine, "SELECT pid FROM ran_on") != own[0]
    wait_for_the_end_of(engine, own)


def test_a_role_that_may_have_one_connection_is_told_that_it_takes_two(
    project: Project, engine: Engine, role: URL
) -> None:
    do(engine, f"ALTER ROLE {role.username} CONNECTION LIMIT 1")
    project.write("001_pid", PID)
    with pytest.raises(LockNotObtained, match="needs a connection of its own, which could not"):
        upgrade(project, role)
    do(engine, f"ALTER ROLE {role.username} CONNECTION LIMIT 2")
    assert upgrade(project, role) == ["001_pid"]


@pytest.mark.parametrize("which", ["first", "second", "both"])
def test_connections_that_were_cut_while_alembic_was_loaded_are_made_anew(
    project: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """As by a timeout for idle sessions, on a slow machine."""
    project.write("001_log", LOGGED.format(stem="001_log"))
    serve = Ahead.serve

    def cut_before(self: Ahead, own: Engine) -> None:
        self._opening.join()
        for name, connection in (("first", self._first), ("second", self._second)):
            if which in {name, "both"}:
                do(engine, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
        serve(self, own)

    monkeypatch.setattr(Ahead, "serve", cut_before)
    assert upgrade(project) == ["001_log"]
    assert recorded(engine) == ["001_log"]


def test_an_engine_gets_both_outside_of_autocommit_and_then_connects_by_itself(
    engine: Engine, parameters: dict[str, Any], connected: list[int]
) -> None:
    own = make_engine(engine.url)
    with closing(psycopg2.connect(**parameters)) as first:
        first.autocommit = True
        ahead = Ahead(first, lambda: psycopg2.connect(**parameters))
        ahead.serve(own)
        with own.connect() as one, own.connect() as two, own.connect() as three:
            got = [each.scalar(text("SELECT pg_backend_pid()")) for each in (one, two, three)]
            handles: list[Any] = [each.connection.dbapi_connection for each in (one, two)]
            assert [handle.autocommit for handle in handles] == [False, False]
        ahead.close()
    own.dispose()
    assert got == connected
    assert len(got) == 3


@pytest.fixture
def slow() -> Iterator[threading.Event]:
    """What a connection that is being opened waits for."""
    answered = threading.Event()
    yield answered
    answered.set()


def test_a_connection_that_comes_when_all_is_over_is_closed(
    parameters: dict[str, Any], slow: threading.Event
) -> None:
    made: list[Any] = []

    def connect() -> Any:
        slow.wait()
        made.append(psycopg2.connect(**parameters))
        return made[0]

    with closing(psycopg2.connect(**parameters)) as first:
        ahead = Ahead(first, connect)
        ahead.close()  # which waits for nothing
        slow.set()
        ahead._opening.join(10)
    assert made[0].closed


def test_an_engine_makes_the_second_one_itself_where_that_failed(
    engine: Engine, parameters: dict[str, Any], connected: list[int]
) -> None:
    def fail() -> Any:
        raise psycopg2.OperationalError("FATAL: too many connections")

    own = make_engine(engine.url)
    with closing(psycopg2.connect(**parameters)) as first:
        ahead = Ahead(first, fail)
        ahead.serve(own)
        with own.connect(), own.connect() as second:
            assert second.scalar(text("SELECT pg_backend_pid()")) == connected[-1]
        ahead.close()
    own.dispose()
