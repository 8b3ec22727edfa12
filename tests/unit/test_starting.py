"""The switch of whoever operates a service, and signals in an event loop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine

import bridge
from bridge.errors import Interrupted, UsageError
from bridge.startup.signals import StoppedBySignals
from bridge.startup.start import pending_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

#: Nobody listens there.
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SKIPPED = (
    "Migrations were skipped, and the database was not looked at: startup is off "
    "(BRIDGE_STARTUP, or startup in the configuration)."
)


def test_the_pending_migrations_are_named_with_what_to_type() -> None:
    assert pending_sentence(["001_a", "002_b"]) == (
        "2 migrations are pending: 001_a, 002_b. startup is check (BRIDGE_STARTUP, or startup in "
        "the configuration), so this process does not apply them. Nothing was written. To "
        "apply them, type: eai migrate; then start again."
    )
    assert pending_sentence(["001_a"]).startswith("1 migration is pending: 001_a. ")


def test_many_pending_migrations_are_counted() -> None:
    stems = [f"{number:03}_a" for number in range(1, 31)]
    assert "30 migrations are pending: 001_a, " in pending_sentence(stems)
    assert " 020_a and 10 more. " in pending_sentence(stems)


def test_off_touches_no_database_and_says_so(
    folder_project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "off")
    config = folder_project.path / "alembic.ini"
    assert bridge.start(NOWHERE, config=config).applied == ()
    assert asyncio.run(bridge.start_async(NOWHERE, config=config)).applied == ()
    assert [record.getMessage() for record in caplog.records] == [SKIPPED, SKIPPED]


def test_off_lets_requests_through_without_a_look(
    folder_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "off")
    startup = bridge.Startup(NOWHERE, config=folder_project.path / "alembic.ini")

    async def ask() -> tuple[int, dict[str, Any]]:
        while not startup.ready:
            await startup.health()
            await asyncio.sleep(0.01)
        return await startup.health()

    status_code, told = asyncio.run(ask())
    assert status_code == 200
    assert told == {"state": "off", "current": None, "pending": [], "problem": None}


def test_a_connection_is_refused() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(UsageError) as refused:
        bridge.Startup(connection)
    engine.dispose()
    assert str(refused.value) == (
        "A Startup takes a URL or an Engine, and was handed a Connection. No probe can use that "
        "while a migration runs on it."
    )


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a server's own handler has heard."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda signum, _frame: came.append(signum))
    yield came
    signal.signal(signal.SIGTERM, before)


async def raise_and_wait(until: asyncio.Event | None = None) -> None:
    with StoppedBySignals():
        signal.raise_signal(signal.SIGTERM)
        await (until or asyncio.Event()).wait()


def test_a_signal_ends_the_wait_and_is_heard_by_the_server_too(heard: list[int]) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    async def serve() -> int:
        with pytest.raises(Interrupted) as interrupted:
            await raise_and_wait()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        return int(interrupted.value.exit_code)

    assert asyncio.run(serve()) == 143
    assert heard == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_signal_in_the_last_moment_cancels_nothing_that_comes_later(heard: list[int]) -> None:
    async def serve() -> None:
        with pytest.raises(Interrupted), StoppedBySignals():
            signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert heard == [signal.SIGTERM]


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def serve() -> None:
        async def wait() -> None:
            with StoppedBySignals():
                await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(serve())


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        done = asyncio.Event()
        done.set()
        asyncio.run(raise_and_wait(done))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_two_blocks_that_end_in_another_order_leave_the_signal_to_the_server(
    heard: list[int],
) -> None:
    async def serve() -> None:
        first: Any = StoppedBySignals()
        second: Any = StoppedBySignals()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.01)

    asyncio.run(serve())
    assert heard == [signal.SIGTERM]
