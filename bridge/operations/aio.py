"""`upgrade`, `provision` and `status` for an event loop, which goes on meanwhile.

The work is done in a thread of its own, on the same synchronous connection as ever: Alembic and
the files know no other. What this adds is that a cancelled await ends the work and waits until it
has ended: nothing goes on behind the back of whoever cancelled it.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.database.interrupt import CANCEL_EVERY, CUT_AFTER, CancelRequest, Interrupter
from bridge.database.request import Request
from bridge.operations.by_program import by_program
from bridge.operations.upgrade import Report, run_upgrade
from bridge.reporting import events
from bridge.reporting.reporter import LogReporter, Reporter, log
from bridge.waiting import Stop, Stopped, stoppable

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn
    from bridge.operations.status import Status

Result = TypeVar("Result")

#: Not where a migration is done or has failed: what is recorded then is told to the end. And not
#: where another thread tells, which would end in place of the run.
_STOPPABLE_AT = (
    events.WaitingForServer,
    events.WaitingForLock,
    events.MigrationStarted,
    events.Statement,
)


async def upgrade_async(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    to: str = "head",
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Do as `upgrade` does, while the event loop goes on, with the caller's context variables.

    If the await is cancelled, the running statement is cancelled too, its migration is rolled
    back, and CancelledError is raised when the lock is free again; migrations before it stay
    applied. The `reporter` is called from the thread that migrates.
    """
    return await _applying(
        lambda request: run_upgrade(request, to=to),
        reporter,
        target=target,
        database=database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_lock=wait_for_lock,
        wait_for_server=wait_for_server,
    )


async def provision_async(
    target: str | Target,
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Do as `provision` does, while the event loop goes on; cancelled as `upgrade_async` is."""
    from bridge.operations.provision import run_provision

    return await _applying(
        lambda request: run_provision(request, target),
        reporter,
        database=database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_lock=wait_for_lock,
        wait_for_server=wait_for_server,
    )


async def _applying(
    run: Callable[[Request], Report],
    reporter: Reporter | None,
    *,
    target: str | Target | None = None,
    **how: Any,
) -> Report:
    """Call `run` in a thread with the request for this; a cancelled await ends it."""
    interrupter = Stopper()
    request = Request.at_start(
        **how,
        reporter=StoppableReporter(reporter or LogReporter(), interrupter.stop),
        interrupter=interrupter,
    )

    def work() -> Report:
        with by_program(request, target) as here:
            return run(here)

    return await _in_a_thread(interrupter, work, tell=_tell)


async def status_async(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    embedded: bool = False,
    wait_for_server: float | None = None,
) -> Status:
    """Do as `status` does, while the event loop goes on; a cancelled await ends the query."""
    from bridge.operations.status import status_for

    interrupter = Stopper()
    request = Request.to_look(
        database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_server=wait_for_server,
    )

    def look() -> Status:
        with by_program(replace(request, interrupter=interrupter), target) as here:
            return status_for(here)

    return await _in_a_thread(interrupter, look, tell=lambda _: None)


class Stopper(Interrupter):
    """Stops a thread where a signal would stop it: after code that may swallow an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.stop = Stop()

    @property
    def stopping(self) -> bool:
        """Whether the work is to end."""
        return self.stop.wished

    def check(self) -> None:
        """Raise what is wished, or Interrupted if a signal has come."""
        self.stop.check()
        super().check()


class StoppableReporter(Reporter):
    """A reporter that ends the run at its next event, if that is wished."""

    def __init__(self, inner: Reporter, stop: Stop) -> None:
        self._inner = inner
        self._stop = stop

    def tell(self, event: events.Event) -> None:
        """Pass the event on, unless the run is to end here."""
        if isinstance(event, _STOPPABLE_AT):
            self._stop.check()
        self._inner.tell(event)


async def _in_a_thread(
    interrupter: Stopper,
    work: Callable[[], Result],
    *,
    tell: Callable[[BaseException | None], None],
) -> Result:
    """Run a function in a thread, and wait for its end even if this await is cancelled.

    `tell` is then called with what the thread raised, None if it was done after all.
    The thread is none of the event loop's own pool, which a long migration would keep from others
    and which may have none to spare when the service ends.
    """

    def run() -> Result:
        with stoppable(interrupter.stop):
            return work()

    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bridge")
    try:
        future = loop.run_in_executor(executor, contextvars.copy_context().run, run)
        try:
            # Not a plain await, which would cancel the future and forget the thread.
            await asyncio.wait({future})
        except asyncio.CancelledError as cancelled:
            error = await _ended(future, interrupter)
            tell(error)
            raise cancelled from error
        return future.result()
    finally:
        executor.shutdown(wait=False)


async def _ended(future: asyncio.Future[Result], interrupter: Stopper) -> BaseException | None:
    """Stop the thread, wait for its end however often that is cancelled, and say what it raised."""
    interrupter.stop.wish()
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    # The loop has others to serve, and a request to a dead network takes long.
    threading.Thread(
        target=stop_statements, args=(interrupter, ended), name="bridge-stop", daemon=True
    ).start()
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue
    return future.exception()


def stop_statements(interrupter: Interrupter, ended: threading.Event) -> None:
    """Cancel what runs until nothing does; a connection on which that has no effect is cut."""
    request = CancelRequest(interrupter.cancel)
    began = time.monotonic()
    pause = 0.0
    while not ended.wait(pause):
        pause = CANCEL_EVERY
        if interrupter.busy():
            request.send()
            if time.monotonic() - began > CUT_AFTER:
                interrupter.cut()


def _tell(error: BaseException | None) -> None:
    """Tell whoever operates the service what a cancelled upgrade has left."""
    if error is None:
        outcome = "It was done by then: everything is applied."
    elif isinstance(error, Stopped):
        outcome = "\n".join(getattr(error, "__notes__", ())) or "No migration was under way."
    else:
        outcome = str(error)
    log.warning("The upgrade was cancelled. %s", outcome)
