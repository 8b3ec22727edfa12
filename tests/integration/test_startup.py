"""A Startup around applications, driven by Starlette's own client."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import NullPool
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocketDisconnect

import bridge
from bridge.errors import Pending
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.client import TestClient
from support.running import PASS_GATE, ask, column, do, gate_of, poll, recorded
from support.tcp_proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Engine
    from starlette.requests import Request

    from support.project import Project

#: Seconds until something that must happen has not happened.
LONG = 60.0
#: Backends of this database that are not the one that asks.
ANOTHER = "datname = current_database() AND pid <> pg_backend_pid()"
#: A migration of one statement.
RUNS = "from sqlalchemy import text\ndef upgrade(db):\n    db.execute(text({!r}))\n"


@pytest.fixture
def one(project: Project) -> Project:
    """One migration, which is pending."""
    project.write("001_create", RUNS.format("CREATE TABLE things (id int)"))
    return project


@pytest.fixture
def slow(one: Project) -> Project:
    """A second one stops at the test's gate."""
    one.ini(extra="ddl_lock_timeout = 0\n")
    one.write("002_wait", RUNS.format(PASS_GATE))
    return one


def startup_of(project: Project, **options: Any) -> bridge.Startup:
    return bridge.Startup(project.url, config=project.path / "alembic.ini", **options)


@contextmanager
def served(startup: bridge.Startup, **lifespan: Any) -> Iterator[TestClient]:
    """A client of an application with this Startup, which is running."""

    async def health(_request: Request) -> JSONResponse:
        status_code, body = await startup.health()
        return JSONResponse(body, status_code)

    async def index(request: Request) -> PlainTextResponse:
        return PlainTextResponse(getattr(request.state, "greeting", "served"))

    application = Starlette(
        routes=[Route("/health", health), Route("/", index)],
        middleware=[Middleware(bridge.Gate, startup=startup, allow=["/health"])],
        lifespan=lifespan.get("lifespan", startup.lifespan),
    )
    with TestClient(application) as client:
        yield client


def health(client: TestClient) -> tuple[int, Any]:
    response = client.get("/health")
    return response.status_code, response.json()


def wait_for(client: TestClient, **expected: Any) -> Any:
    """Poll the health endpoint until it tells this, and give all that it then tells."""
    told: dict[str, Any] = {}

    def is_told() -> bool:
        told.update(health(client)[1])
        return expected.items() <= told.items()

    poll(is_told, within=LONG)
    return told


async def known(startup: bridge.Startup) -> tuple[int, dict[str, Any]]:
    """What the health endpoint tells when the database, or its server, has answered."""
    while startup._seen is None:
        await startup.health()
        await asyncio.sleep(0.01)
    return await startup.health()


async def told_of(startup: bridge.Startup, *pending: str) -> None:
    """Wait until the health endpoint tells that these are pending."""
    while (await startup.health())[1]["pending"] != list(pending):  # noqa: ASYNC110 - it asks
        await asyncio.sleep(0.01)


def test_migrations_end_before_the_applications_own_lifespan_begins(
    one: Project, engine: Engine
) -> None:
    startup = startup_of(one)
    order: list[object] = []

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[dict[str, str]]:
        order.append(recorded(engine))
        yield {"greeting": "hello"}
        order.append("ended")

    with served(startup, lifespan=startup.around(lifespan)) as client:
        assert client.get("/").text == "hello"
        told = wait_for(client, state="up to date", current="001_create")
        assert (told["pending"], told["problem"]) == ([], None)
        assert health(client) == (200, told)
    assert order == [["001_create"], "ended"]


def test_an_error_ends_the_start_and_its_traceback_is_short(
    one: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    with pytest.raises(Pending) as pending, served(startup_of(one)):
        pytest.fail("it started")
    assert pending.value.__suppress_context__
    assert "starting.py" not in str([str(frame.path) for frame in pending.traceback])


def test_an_application_answers_while_it_migrates_in_the_background(
    slow: Project, engine: Engine
) -> None:
    with gate_of(engine) as gate, served(startup_of(slow, background=True)) as client:
        gate.reached()
        told = wait_for(client, pending=["002_wait"])
        assert (told["state"], told["current"], told["problem"]) == (
            "migrating",
            "001_create",
            None,
        )
        refused = client.get("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json() == {"state": "migrating"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
            pytest.fail("it connected")
        gate.open()
        told = wait_for(client, state="up to date", current="002_wait")
        assert told["pending"] == []
        assert client.get("/").text == "served"


def test_an_application_that_ends_ends_its_migration(slow: Project, engine: Engine) -> None:
    with gate_of(engine) as gate:
        with served(startup_of(slow, background=True)):
            gate.reached()
        assert gate.waiting() == []
    assert recorded(engine) == ["001_create"]
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    locks = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {here}"
    poll(lambda: ask(engine, locks) == 0, within=LONG)
    left = f"SELECT query FROM pg_stat_activity WHERE {ANOTHER}"
    poll(lambda: column(engine, left) == [], within=LONG)


def test_a_migration_that_failed_is_told_without_its_sql(
    one: Project, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    one.write("002_bad", RUNS.format("INSERT INTO things VALUES ('a secret')"))
    with served(startup_of(one, background=True)) as client:
        told = wait_for(client, state="failed", pending=["002_bad"])
        assert told["problem"] == "002_bad failed; the log of this process says why."
        assert client.get("/").status_code == 503
        assert "002_bad failed: " in caplog.text
        assert "INSERT INTO things" in caplog.text
        # Another process mends it.
        one.write("002_bad", RUNS.format("INSERT INTO things VALUES (1)"))
        bridge.upgrade(engine, config=one.path / "alembic.ini")
        wait_for(client, state="up to date")
        assert client.get("/").text == "served"


def test_what_may_pass_by_itself_is_tried_again_in_the_background(
    one: Project, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"({LOCK_CLASS}, {MIGRATION_LOCK})"
    with engine.connect() as other, ExitStack() as stack:
        other.execute(text(f"SELECT pg_advisory_lock{key}"))
        other.commit()
        client = stack.enter_context(served(startup_of(one, background=True, wait_for_lock=0)))
        poll(lambda: "It will be tried again." in caplog.text, within=LONG)
        told = wait_for(client, state="migrating", pending=["001_create"])
        assert "The migration lock of this database was not obtained" in told["problem"]
        other.execute(text(f"SELECT pg_advisory_unlock{key}"))
        other.commit()
        wait_for(client, state="up to date")


def test_a_process_that_only_checks_waits_for_another_one(
    one: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    with served(startup_of(one, background=True)) as client:
        told = wait_for(client, state="pending")
        assert (told["current"], told["pending"]) == (None, ["001_create"])
        assert client.get("/").status_code == 503
        poll(lambda: "1 migration is pending: 001_create." in caplog.text, within=LONG)
        bridge.upgrade(engine, config=one.path / "alembic.ini")
        wait_for(client, state="up to date")


def test_a_ledger_that_an_upgrade_would_refuse_is_a_failure(one: Project, engine: Engine) -> None:
    bridge.upgrade(engine, config=one.path / "alembic.ini")
    one.write("002_more", RUNS.format("SELECT 1"))
    bridge.upgrade(engine, config=one.path / "alembic.ini")
    do(engine, "DELETE FROM schema_migrations")
    status_code, told = asyncio.run(known(startup_of(one)))
    assert (status_code, told["state"]) == (503, "failed")
    assert "stamp 002_more" in told["problem"]


def test_a_server_that_cannot_be_asked_keeps_the_gate_shut(one: Project) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    startup = bridge.Startup(nowhere, config=one.path / "alembic.ini")

    status_code, told = asyncio.run(known(startup))
    assert (status_code, told["state"]) == (503, "unknown")
    assert "127.0.0.1" in told["problem"]


@pytest.mark.parametrize(
    ("handed_in", "swallowed"),
    [(False, 1), (False, b"pg_catalog.version()"), (False, b"FROM"), (True, b"FROM")],
    ids=["connecting", "SQLAlchemy's query", "a query", "a query over an Engine"],
)
def test_a_look_that_gets_no_answer_is_given_up_and_the_next_one_is_told(
    one: Project, monkeypatch: pytest.MonkeyPatch, handed_in: bool, swallowed: int | bytes
) -> None:
    monkeypatch.setattr("bridge.startup.asgi.LOOK_FOR", 0.5)
    monkeypatch.setattr("bridge.startup.asgi.LOOK_EVERY", 0.0)
    assert one.url is not None
    with Proxy(one.url) as proxy, ExitStack() as stack:
        engine = create_engine(proxy.url)
        stack.callback(engine.dispose)
        # Until SQLAlchemy knows the server, it lets no second thread connect over an Engine.
        engine.connect().close()
        startup = bridge.Startup(
            engine if handed_in else proxy.url, config=one.path / "alembic.ini"
        )

        async def look() -> None:
            proxy.stall_when(swallowed)
            status_code, told = await known(startup)
            assert (status_code, told["state"]) == (503, "unknown")
            assert told["problem"] == "The database has given no answer for 0.5 s."
            monkeypatch.undo()
            proxy.resume()
            await told_of(startup, "001_create")

        asyncio.run(asyncio.wait_for(look(), LONG))


def test_the_database_is_asked_once_for_many_requests_and_not_when_it_is_up_to_date(
    one: Project,
) -> None:
    assert one.url is not None
    engine = create_engine(one.url, poolclass=NullPool)
    connections: list[object] = []
    event.listen(engine, "connect", lambda *_: connections.append(None))
    startup = bridge.Startup(engine, config=one.path / "alembic.ini")

    async def many() -> None:
        await asyncio.gather(*(startup.health() for _ in range(20)))
        await known(startup)
        assert len(connections) == 1
        async with startup.lifespan(None):
            await known(startup)
            before = len(connections)
            for _ in range(20):
                assert (await startup.health())[0] == 200
            assert len(connections) == before

    asyncio.run(many())


def test_each_life_of_an_application_begins_anew(one: Project, engine: Engine) -> None:
    startup = startup_of(one)
    with served(startup):
        assert startup.ready
    do(engine, "DROP TABLE schema_migrations, alembic_version, things")
    with served(startup) as client:
        assert client.get("/").text == "served"
    assert recorded(engine) == ["001_create"]


def test_the_loggers_of_the_application_stay_as_they_are(one: Project, engine: Engine) -> None:
    mine = logging.getLogger("uvicorn.error")
    before = (mine.level, mine.disabled, mine.handlers[:], logging.getLogger().handlers[:])
    with served(startup_of(one)):
        assert (mine.level, mine.disabled, mine.handlers[:]) == before[:3]
        assert logging.getLogger().handlers[:] == before[3]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
