"""The connection over which a run was asked whether anything is pending, and its going on."""

from __future__ import annotations

import secrets
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

import bridge
import bridge.alembic.connection
from bridge.database.engine import make_engine
from bridge.database.preconnect import serve
from bridge.database.url import connection_parameters
from bridge.errors import FilesError
from support.books import LOGGED
from support.running import ask, do, listened, poll, recorded, terminate

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


def test_a_run_makes_one_connection_and_migrates_over_the_one_that_it_asked_over(
    project: Project, engine: Engine, connected: list[int]
) -> None:
    project.write("001_pid", PID)
    assert upgrade(project) == ["001_pid"]
    (only,) = connected
    assert ask(engine, "SELECT pid FROM ran_on") == only
    wait_for_the_end_of(engine, [only])


def test_one_connection_is_made_where_nothing_is_pending(
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


def test_a_role_that_may_have_one_connection_can_migrate(
    project: Project, engine: Engine, role: URL
) -> None:
    do(engine, f"ALTER ROLE {role.username} CONNECTION LIMIT 1")
    project.write("001_pid", PID)
    assert upgrade(project, role) == ["001_pid"]


def test_a_connection_that_was_cut_while_alembic_was_loaded_is_made_anew(
    project: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, connected: list[int]
) -> None:
    """As by a timeout for idle sessions, on a slow machine."""
    project.write("001_log", LOGGED.format(stem="001_log"))

    def cut_before(own: Engine, connection: Any) -> None:
        terminate(engine, connection.info.backend_pid)
        serve(own, connection)

    monkeypatch.setattr(bridge.alembic.connection, "serve", cut_before)
    connected.clear()
    assert upgrade(project) == ["001_log"]
    assert recorded(engine) == ["001_log"]


def test_an_engine_gets_it_once_and_then_connects_by_itself(
    engine: Engine, parameters: dict[str, Any], connected: list[int]
) -> None:
    own = make_engine(engine.url)
    with closing(psycopg2.connect(**parameters)) as first:
        serve(own, first)
        with own.connect() as one, own.connect() as two:
            got = [each.scalar(text("SELECT pg_backend_pid()")) for each in (one, two)]
    own.dispose()
    assert got == connected
    assert len(got) == 2
