"""`upgrade_async` and `status_async`: the loop goes on, and a cancelled await leaves nothing."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

import bridge
from bridge.errors import FolderMissing, MigrationError, ServerUnreachable
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from bridge.reporting import events
from bridge.reporting.reporter import Reporter
from support.books import Books

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from support.project import Project

A, B = "001_a", "002_b"

#: Seconds until a test that hangs fails; far more than anything here takes.
DEADLINE = 60

SLOW = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE slow (id int)"))
        {}
        db.commit()
    """
#: A statement that can be found among those that run.
SLEEP = 'db.execute(text("SELECT pg_sleep(300), 2 AS slow_migration"))'
#: A file that catches whatever it can and goes on.
STUBBORN = """
        while True:
            try:
                db.execute(text("SELECT pg_sleep(300), 2 AS slow_migration"))
            except Exception:
                db.rollback()
"""
#: A statement on which a cancel request has no effect.
DEAF = """
        db.execute(text(
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(300) AS slow_migration; "
            "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
        ))
"""


class Waiting(Reporter):
    """Notes that something is waited for."""

    told = False

    def tell(self, event: events.Event) -> None:
        if isinstance(event, events.WaitingForLock | events.WaitingForServer):
            self.told = True


@pytest.fixture
def books(project: Project) -> Iterator[Books]:
    books = Books(project)
    yield books
    books.engine.dispose()


def config(books: Books) -> Any:
    return books.project.path / "alembic.ini"


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, DEADLINE))


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something that happens in a thread or in the server."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def running(books: Books) -> bool:
    """Whether the slow statement runs on the server; the question itself is not it."""
    found = books.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
        "AND datname = current_database() AND query LIKE '%AS slow_' || 'migration%' "
    )
    return found == [(1,)]


def backends(books: Books) -> int:
    """How many there are beside the one that counts."""
    return int(
        books.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )[0][0]
    )


def nothing_is_left(books: Books) -> None:
    """The statement is rolled back, and whoever comes next obtains the lock at once.

    The server takes a moment to notice that a connection was cut.
    """
    asyncio.run(until(lambda: not running(books)))
    assert books.table("slow") is None
    held = books.sql(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE "
        "datname = current_database() AND locktype = 'advisory' AND "
        f"classid = {LOCK_CLASS} AND objid = {MIGRATION_LOCK}"
    )
    assert held == [(0,)]


def test_the_loop_goes_on_while_migrations_run(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration waits for the loop, which would never come if it stood still."""
    books.project.write(
        A, SLOW.format("from event_of_the_test import event; assert event.wait(60)")
    )
    module: Any = ModuleType("event_of_the_test")
    module.event = event = threading.Event()

    async def main() -> bridge.Report:
        task = asyncio.create_task(bridge.upgrade_async(books.project.url, config=config(books)))
        await until(lambda: backends(books) >= 1)
        event.set()
        return await task

    monkeypatch.setitem(sys.modules, "event_of_the_test", module)
    report = run(main())
    assert [applied.stem for applied in report.applied] == [A]


def test_status_async_says_what_status_says(books: Books) -> None:
    books.files(A)
    books.upgrade()
    books.files(B)

    async def main() -> bridge.Status:
        return await bridge.status_async(books.engine, config=config(books))

    found = run(main())
    assert found == bridge.status(books.engine, config=config(books))
    assert (found.current, found.pending) == (A, (B,))


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


def test_context_variables_are_those_of_the_caller(books: Books) -> None:
    books.files(A)
    seen: list[str] = []

    class Reporting(Reporter):
        def tell(self, event: events.Event) -> None:
            if isinstance(event, events.MigrationStarted):
                seen.append(variable.get())

    async def main() -> None:
        variable.set("mine")
        await bridge.upgrade_async(books.engine, config=config(books), reporter=Reporting())

    run(main())
    assert seen == ["mine"]


def test_errors_are_those_of_upgrade(books: Books) -> None:
    books.project.write(A, SLOW.format("db.execute(text('SELECT 1/0'))"))

    async def main() -> None:
        with pytest.raises(MigrationError, match="division by zero"):
            await bridge.upgrade_async(books.engine, config=config(books))
        nowhere = books.project.path / "nowhere.ini"
        nowhere.write_text(config(books).read_text().replace("/migrations", "/nowhere"))
        with pytest.raises(FolderMissing):
            await bridge.status_async(books.engine, config=nowhere)

    run(main())


@pytest.mark.parametrize("body", [SLEEP, STUBBORN, DEAF], ids=["plain", "stubborn", "deaf"])
def test_a_cancelled_await_ends_the_statement_and_leaves_nothing(
    books: Books, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    books.files(A)
    books.project.write(B, SLOW.format(body.strip()))

    async def main() -> None:
        task = asyncio.create_task(bridge.upgrade_async(books.project.url, config=config(books)))
        await until(lambda: running(books))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    nothing_is_left(books)
    assert books.applied == [A]
    assert "The upgrade was cancelled. 002_b " in caplog.text
    books.project.write(B, SLOW.format("pass"))
    assert books.upgrade() == [B]


def test_a_cancelled_await_that_is_cancelled_again_still_waits(books: Books) -> None:
    books.project.write(A, SLOW.format(SLEEP))

    async def main() -> None:
        task = asyncio.create_task(bridge.upgrade_async(books.engine, config=config(books)))
        await until(lambda: running(books))
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.01)
        assert task.cancelled()

    run(main())
    nothing_is_left(books)


def test_a_timeout_around_it_works(books: Books) -> None:
    books.project.write(A, SLOW.format(SLEEP))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await bridge.upgrade_async(books.engine, config=config(books))

    run(main())
    nothing_is_left(books)


def test_a_cancelled_await_does_not_wait_for_the_lock(books: Books) -> None:
    books.files(A)
    reporter = Waiting()

    async def main() -> None:
        task = asyncio.create_task(
            bridge.upgrade_async(books.engine, config=config(books), reporter=reporter)
        )
        await until(lambda: reporter.told)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with books.engine.begin() as connection:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:c, :l)"), {"c": LOCK_CLASS, "l": MIGRATION_LOCK}
        )
        run(main())
    assert books.applied == []


def test_a_cancelled_await_does_not_wait_for_the_server(books: Books) -> None:
    books.files(A)
    assert books.project.url is not None
    nobody = books.project.url.set(host="127.0.0.1", port=1, query={})

    async def main() -> None:
        with pytest.raises(ServerUnreachable):
            await bridge.upgrade_async(nobody, config=config(books), wait_for_server=0)
        reporter = Waiting()
        task = asyncio.create_task(
            bridge.upgrade_async(
                nobody, config=config(books), wait_for_server=3000, reporter=reporter
            )
        )
        await until(lambda: reporter.told)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
