"""A migration whose connection is cut: 75 where nothing of it stays, else 1."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

import bridge
from bridge.errors import BridgeError, Disturbed, MigrationError
from bridge.execution import retry
from bridge.execution.advice import CLOSED, GONE_ON
from bridge.startup import asgi
from support.both import migration
from support.running import (
    PASS_GATE,
    PATIENCE,
    Gate,
    ask,
    column,
    do,
    gate_of,
    poll,
    recorded,
    terminate,
)
from support.tcp_proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Engine

    from support.project import Project

#: What a file does where it is cut, as text.
STAND = f'run(db, "{PASS_GATE}")'
INSERT = 'run(db, "INSERT INTO t VALUES (1)")'
#: What a file does that computes until the test lets it go on.
COMPUTE = """
import time
from pathlib import Path
Path(__file__).with_suffix(".here").touch()
while not Path(__file__).with_suffix(".go").exists():
    time.sleep(0.01)
"""
#: The release that has transaction_timeout.
FIRST_WITH_LIMIT = 170000
ROLLED_BACK = "\nEverything it did was rolled back. It is not recorded as applied.\n"


@pytest.fixture(autouse=True)
def _table(engine: Engine) -> None:
    do(engine, "CREATE TABLE t (n int)")


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    with gate_of(engine) as gate:
        yield gate


def run(project: Project, on: Any = None) -> BridgeError | None:
    """Upgrade, and give the error; None if it is done."""
    try:
        bridge.upgrade(
            str_of(project.url) if on is None else on,
            config=project.path / "alembic.ini",
            wait_for_server=0,
        )
    except BridgeError as error:
        return error
    return None


def str_of(url: URL | None) -> str:
    assert url is not None
    return url.render_as_string(hide_password=False)


@contextmanager
def meanwhile(does: Callable[[], object]) -> Iterator[None]:
    """Do something in another thread; what it raises is raised at the end."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            does()
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
    for error in raised:
        raise error


def here(project: Project) -> None:
    """Wait until the file computes."""
    poll((project.migrations / "001_file.here").exists, within=PATIENCE)


def go_on(project: Project) -> None:
    (project.migrations / "001_file.go").touch()


def assert_disturbed(error: BridgeError | None, engine: Engine) -> None:
    assert type(error) is Disturbed, error
    assert error.exit_code == 75
    assert ROLLED_BACK in str(error)
    assert str(error).endswith("\nType: eai migrate")
    assert recorded(engine) == []
    assert column(engine, "SELECT n FROM t") == []


def assert_failed(error: BridgeError | None, engine: Engine) -> str:
    assert type(error) is MigrationError, error
    assert error.exit_code == 1
    assert recorded(engine) == []
    return str(error)


def test_an_administrator_ends_it_in_a_statement(
    project: Project, engine: Engine, gate: Gate
) -> None:
    project.write("001_file", migration(f"{INSERT}\n{STAND}"))
    with meanwhile(lambda: terminate(engine, gate.reached())):
        error = run(project)
    assert_disturbed(error, engine)
    assert "Nothing is wrong with the file: run again." in str(error)


@pytest.mark.parametrize("mode", ["", 'transaction = "atomic"\n'])
def test_the_network_cuts_it(project: Project, engine: Engine, mode: str) -> None:
    project.write("001_file", mode + migration(f"{INSERT}\ndb.flush()\nrun(db, 'SELECT 42')"))
    with Proxy(engine.url) as proxy:
        proxy.cut_when(b"SELECT 42")
        error = run(project, str_of(proxy.url))
    assert_disturbed(error, engine)
    assert "The connection to the server broke. Nothing is wrong with the file" in str(error)


def test_commits_that_are_savepoints_do_not_stay(project: Project, engine: Engine) -> None:
    body = f"{INSERT}\ndb.commit()\nrun(db, 'SELECT 42')"
    project.write("001_file", 'transaction = "atomic"\n' + migration(body))
    with Proxy(engine.url) as proxy:
        proxy.cut_when(b"SELECT 42")
        assert_disturbed(run(project, str_of(proxy.url)), engine)


@pytest.mark.parametrize("where", [b"schema_migrations", b"SET CONSTRAINTS"])
def test_it_is_cut_in_the_record_or_in_what_comes_before_it(
    project: Project, engine: Engine, where: bytes
) -> None:
    do(engine, "CREATE TABLE d (n int UNIQUE DEFERRABLE)")  # so that a COMMIT may fail
    project.write("001_file", migration(INSERT))
    with Proxy(engine.url) as proxy:
        proxy.cut_when(where, after=b"INSERT INTO t")
        error = run(project, str_of(proxy.url))
        assert proxy.happened.is_set()
    assert_disturbed(error, engine)
    assert "checks deferred constraints" not in str(error)


INSERT_OVER_OTHER = "run(other, 'INSERT INTO t VALUES (2)')"
LAST = "run(db, 'SELECT 42')"
TWO_PHASES = """
raw = db.connection().connection.dbapi_connection
raw.rollback()
raw.tpc_begin(raw.xid(1, "bridge", "cut off"))
raw.cursor().execute("INSERT INTO t VALUES (3)")
raw.tpc_prepare()
raw.tpc_commit()
"""
STAYS = {
    "a commit": (f"{INSERT}\ndb.commit()\n{LAST}", "", [1]),
    "without a transaction": (
        f"{INSERT}\n{LAST}",
        'transaction = "autocommit"\n',
        [1],
    ),
    "another connection": (
        f"{INSERT}\nwith other_engine(db).begin() as other:\n    {INSERT_OVER_OTHER}\n{LAST}",
        "",
        [2],
    ),
    "two phases": (f"{TWO_PHASES}{LAST}", "", [3]),
}


@pytest.mark.parametrize("what", STAYS)
def test_where_something_may_stay_a_person_has_to_look(
    project: Project, engine: Engine, what: str
) -> None:
    body, mode, left = STAYS[what]
    project.write("001_file", mode + migration(body))
    with Proxy(engine.url) as proxy:
        proxy.cut_when(b"SELECT 42")
        error = run(project, str_of(proxy.url))
        assert proxy.happened.is_set()
    said = assert_failed(error, engine)
    assert "Make sure that it can run again from its beginning, and type: eai migrate" in said
    assert "stay" in said
    assert column(engine, "SELECT n FROM t") == left


CLOSES = {
    "close()": "db.connection().connection.dbapi_connection.close()",
    "invalidate()": "db.connection().invalidate()",
    "by alembic.op": "from alembic import op\nop.get_bind().invalidate()",
}
AFTERWARDS = {
    "and goes on": INSERT,
    "and ends": "",
    "and uses a cursor": "cursor.execute('SELECT 1')",
    "and waits": "import time\ntime.sleep(0.3)",
}


@pytest.mark.parametrize("afterwards", AFTERWARDS)
@pytest.mark.parametrize("how", CLOSES)
def test_a_file_that_ends_its_own_session_has_to_be_corrected(
    project: Project, engine: Engine, how: str, afterwards: str
) -> None:
    begin = f"{INSERT}\ncursor = db.connection().connection.dbapi_connection.cursor()"
    project.write("001_file", migration(f"{begin}\n{CLOSES[how]}\n{AFTERWARDS[afterwards]}"))
    said = assert_failed(run(project), engine)
    assert ROLLED_BACK in said
    assert said.endswith("\nCorrect the file, and type: eai migrate")
    assert said.count(CLOSED) == 1


def test_a_file_that_fails_by_its_own_error_has_to_be_corrected(
    project: Project, engine: Engine, gate: Gate
) -> None:
    """Also if its connection is gone by then, and nobody has seen that."""
    project.write("001_file", migration(f"{INSERT}\n{COMPUTE}\nraise ValueError('mine')"))

    def cut() -> None:
        here(project)
        terminate(engine, backend(engine))
        go_on(project)

    with meanwhile(cut):
        error = run(project)
    assert "ValueError: mine" in assert_failed(error, engine)


def backend(engine: Engine) -> int:
    """The backend that migrates."""
    return int(
        ask(
            engine,
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE 'bridge%001_file%'",
        )
    )


@pytest.mark.parametrize("by", ["the database", "the file"])
def test_a_transaction_that_took_too_long_is_told_and_not_tried_again(
    project: Project, engine: Engine, by: str
) -> None:
    if int(ask(engine, "SHOW server_version_num")) < FIRST_WITH_LIMIT:
        pytest.skip("transaction_timeout is of PostgreSQL 17")
    if by == "the database":
        do(engine, f"ALTER DATABASE {engine.url.database} SET transaction_timeout = '1s'")
        sets = ""
    else:
        sets = "run(db, \"SET LOCAL transaction_timeout = '200ms'\")\n"
    project.write("001_file", migration(f'{sets}run(db, "SELECT pg_sleep(60)")'))
    said = assert_failed(run(project), engine)
    assert "the server may have ended its session for t" in said


# What the file does over other connections once its session has ended.

ITS_OWN = """
url = db.get_bind().url.set(drivername="postgresql")
other = psycopg2.connect(url.render_as_string(hide_password=False))
"""
#: The application's Engine, which has connected before.
APPLICATIONS = "sys.modules['application'].engine"
OTHERS = {
    "a connection of its own": (
        f"import psycopg2\n{ITS_OWN}",
        "other.cursor().execute('INSERT INTO t VALUES (2)')\nother.commit()",
    ),
    "the application's Engine": (
        "",
        f"with {APPLICATIONS}.begin() as other:\n    run(other, 'INSERT INTO t VALUES (2)')",
    ),
    "the application's Engine in a thread": (
        "import threading",
        f"""
def work():
    try:
        with {APPLICATIONS}.begin() as other:
            run(other, 'INSERT INTO t VALUES (2)')
    except Exception as error:
        seen.append(error)
seen = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
for error in seen:
    raise error
""",
    ),
}


@pytest.fixture
def application(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An application's Engine, which has connected; files find it among the modules."""
    own = create_engine(engine.url)
    own.connect().close()
    module = type(sys)("application")
    module.engine = own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "application", module)
    yield own
    own.dispose()


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize("over", OTHERS)
def test_after_its_session_has_ended_a_file_reaches_nothing_over_another_connection(
    project: Project, engine: Engine, application: Engine, over: str, *, swallowed: bool
) -> None:
    before, after = OTHERS[over]
    if swallowed:
        lines = "\n".join(f"    {line}" for line in after.splitlines())
        after = f"try:\n{lines}\nexcept Exception: pass"
    project.write("001_file", migration(f"import sys\n{before}\n{INSERT}\n{COMPUTE}\n{after}"))

    def cut() -> None:
        here(project)
        terminate(engine, backend(engine))
        # The application itself is not affected.
        with application.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (3)"))
        go_on(project)

    with meanwhile(cut):
        error = run(project)
    assert type(error) is Disturbed, error
    assert GONE_ON in str(error)
    assert recorded(engine) == []
    assert column(engine, "SELECT n FROM t") == [3]


# A service that starts.


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "TRY_AGAIN_AFTER", (0.05, 0.1))
    monkeypatch.setattr(asgi, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(retry, "PAUSES", (0.05, 0.1))


async def until(is_so: Callable[[], bool], startup: bridge.Startup) -> dict[str, Any]:
    """Ask the health endpoint until something is so; gives what it tells then."""
    while True:
        _, told = await startup.health()
        if is_so():
            return told
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("_soon")
def test_a_service_that_starts_tries_again_what_was_cut(
    project: Project, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    project.write("001_file", migration(f"{INSERT}\nrun(db, 'SELECT 42')"))
    with Proxy(engine.url) as proxy:
        startup = bridge.Startup(proxy.url, config=project.path / "alembic.ini", background=True)

        async def start() -> None:
            proxy.cut_when(b"SELECT 42")
            problems = set()
            async with startup.lifespan(None):
                while not startup.ready:
                    problems.add((await startup.health())[1]["problem"])
                    await asyncio.sleep(0.01)
            problems.discard(None)
            assert problems <= {"001_file failed; the log of this process says why."}

        asyncio.run(asyncio.wait_for(start(), PATIENCE))
        assert proxy.happened.is_set()
    assert "SELECT 42" in caplog.text
    assert recorded(engine) == ["001_file"]
    assert column(engine, "SELECT n FROM t") == [1]


@pytest.mark.usefixtures("_soon")
def test_probes_do_not_keep_a_service_from_trying_again_for_a_lock(
    project: Project, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """What asks for the probes works in threads of this process beside the file's."""
    project.ini(extra="ddl_lock_timeout = 0.2\nddl_lock_tries = 1000\n")
    add = "run(db, 'ALTER TABLE t ADD COLUMN m int')"
    project.write("001_file", migration(f"{INSERT}\n{add}"))
    startup = bridge.Startup(project.url, config=project.path / "alembic.ini", background=True)

    async def start() -> None:
        with engine.connect() as blocker:
            blocker.execute(text("LOCK TABLE t"))
            async with startup.lifespan(None):
                told = await until(lambda: caplog.text.count("trying again in") > 1, startup)
                assert told["state"] == "migrating"
                blocker.rollback()
                await until(lambda: startup.ready, startup)

    asyncio.run(asyncio.wait_for(start(), PATIENCE))
    assert recorded(engine) == ["001_file"]
    assert column(engine, "SELECT n FROM t") == [1]
