"""Run the migrations when an ASGI application starts, and answer its probes meanwhile.

A Startup is shared by the lifespan, the gate and the health endpoint of one process. It imports
no framework, and serves nothing itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bridge.database.address import CONNECT_TIMEOUT
from bridge.errors import (
    BridgeError,
    Disturbed,
    Interrupted,
    MigrationError,
    Pending,
    StillBlocked,
    TryAgain,
    UsageError,
)
from bridge.operations.aio import status_async
from bridge.operations.status import Status
from bridge.reporting.numbers import duration
from bridge.reporting.reporter import log
from bridge.startup.start import settings_at_start, start_async

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn

#: Seconds for which what a look at the database has found is told again.
LOOK_EVERY = 2.0
#: Seconds after which a look without an answer is given up, and the next one may begin. One that
#: cannot connect has failed by then, and says why.
LOOK_FOR = CONNECT_TIMEOUT + 5.0
#: Seconds that a request waits for the first look: a probe's patience often ends after one.
FIRST_LOOK = 0.5
#: Seconds before the first and before each later try of a migration in the background.
TRY_AGAIN_AFTER = (1.0, 30.0)

#: Errors whose messages show the statement that failed.
_OF_A_MIGRATION = (MigrationError, Disturbed, StillBlocked)

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class State(StrEnum):
    """The state of a process's database; only the first and the last may serve."""

    #: Nothing is pending.
    UP_TO_DATE = "up to date"
    #: This process migrates, or waits for the one that does.
    MIGRATING = "migrating"
    #: Migrations are pending, and it is not this process that applies them.
    PENDING = "pending"
    #: This process cannot bring it up to date, and does not try again.
    FAILED = "failed"
    #: It could not be asked.
    UNKNOWN = "unknown"
    #: `startup` is off: nobody looks.
    OFF = "off"


class Startup:
    """The migrations of an application that starts.

    All arguments but `background` are those of `upgrade`. In the `background`
    the application starts and answers at once; put a Gate in front of it.
    """

    def __init__(
        self,
        database: HandedIn = None,
        *,
        config: str | os.PathLike[str] | None = None,
        section: str | None = None,
        target: str | Target | None = None,
        wait_for_lock: float | None = None,
        wait_for_server: float | None = None,
        embedded: bool = False,
        background: bool = False,
    ) -> None:
        if isinstance(database, Connection):
            raise UsageError(
                "A Startup takes a URL or an Engine, and was handed a Connection. No probe can "
                "use that while a migration runs on it."
            )
        self._where: dict[str, Any] = {
            "database": database,
            "config": config,
            "section": section,
            "target": target,
            "embedded": embedded,
        }
        waits = {"wait_for_lock": wait_for_lock, "wait_for_server": wait_for_server}
        self._waits: dict[str, Any] = waits
        self._background = background
        self._forget()

    def _forget(self) -> None:
        #: Whether requests may be served: nothing is pending, or `startup` is off. Stays true.
        self.ready = False
        self._off = False
        self._migrating = False
        #: Why the background has given up, and why it has to try again.
        self._failed: str | None = None
        self._delayed: str | None = None
        self._seen: Status | BridgeError | None = None
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    def _is_off(self) -> bool:
        where = self._where
        return settings_at_start(where["config"], section=where["section"]).startup == "off"

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Serve as the lifespan of an application without one of its own."""
        self._forget()
        self._off = self._is_off()
        if not self._background:
            try:
                await self._start()
            except (BridgeError, Interrupted) as error:
                # A server logs the whole chain, a page of frames of Alembic and of SQLAlchemy.
                log.debug("Start-up failed", exc_info=error)
                raise error.with_traceback(None) from None
            yield
            return
        task = asyncio.create_task(self._start_in_background(), name="bridge migrates")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    def around(self, lifespan: Lifespan) -> Lifespan:
        """Wrap the application's own lifespan: it begins when this one lets it, and ends first."""

        @asynccontextmanager
        async def both(app: Any) -> AsyncIterator[Any]:
            async with self.lifespan(app), lifespan(app) as state:
                yield state

        return both

    async def health(self) -> tuple[int, dict[str, Any]]:
        """Return the status code and the body for a health endpoint: 200 once it may serve.

        Until then it asks the database, at most every two seconds however often it is called;
        then once more, and never again.
        """
        if not (self.ready and (self._off or isinstance(self._seen, Status))):
            await self._look()
        return (200 if self.ready else 503), self.to_json()

    def to_json(self) -> dict[str, Any]:
        """Return what is known, without asking; it names no SQL and no parameters."""
        seen = self._seen if isinstance(self._seen, Status) else None
        return {
            "state": str(self.state),
            "current": seen.current if seen else None,
            "pending": list(seen.pending) if seen and not self.ready else [],
            "problem": None if self.ready else self._reason(),
        }

    @property
    def state(self) -> State:
        """What is known, without asking."""
        if self.ready:
            return State.OFF if self._off else State.UP_TO_DATE
        if self._migrating:
            return State.MIGRATING
        if self._failed is not None:
            return State.FAILED
        if not isinstance(self._seen, Status):
            return State.UNKNOWN
        return State.FAILED if self._seen.problems else State.PENDING

    async def _start(self) -> None:
        await start_async(**self._where, **self._waits)
        self.ready = True
        self._seen = None  # it may tell of what was pending

    async def _start_in_background(self) -> None:
        pause, longest = TRY_AGAIN_AFTER
        self._migrating = True
        try:
            while not await self._try():
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
        except Pending as error:
            log.warning("%s", error)
        except BridgeError as error:
            self._failed = _public(error)
            log.error("%s", error)
        except Interrupted as error:
            # Whoever handles it knows of it already; nobody does where it is left to the system.
            if signal.getsignal(error.signum) is signal.SIG_DFL:
                signal.raise_signal(error.signum)
        except Exception as error:  # noqa: BLE001 - told, and the application goes on
            self._failed = _public(error)
            log.exception("The migrations of this application could not be run")
        finally:
            self._migrating = False

    async def _try(self) -> bool:
        """Return whether it is done, and not to be tried again."""
        try:
            await self._start()
        except TryAgain as error:
            self._delayed = _public(error)
            log.warning("%s It will be tried again.", error)
            return False
        return True

    async def _look(self) -> None:
        """Look at the database, unless that was done a moment ago or is being done."""
        looking = self._looking
        if looking is not None and looking.get_loop() is not asyncio.get_running_loop():
            looking = None  # a test's client has a loop of its own for each request
        due = time.monotonic() - self._looked_at > LOOK_EVERY
        if looking is None or (looking.done() and due):
            looking = self._looking = asyncio.create_task(self._ask(), name="bridge looks")
        if self._seen is None:
            await asyncio.wait({looking}, timeout=FIRST_LOOK)

    async def _ask(self) -> None:
        seen: Status | BridgeError
        try:
            self._off = self._is_off()
            if self._off:
                self.ready = True
                return
            seen = await self._status()
            self.ready = self.ready or seen.up_to_date
        except BridgeError as error:
            seen = error
        except Exception:  # noqa: BLE001 - as above
            log.exception("The database could not be asked for its pending migrations")
            seen = BridgeError("The database could not be asked; the log of this process says why.")
        self._looked_at = time.monotonic()
        # What was asked for before a migration of this process ended is told by nobody.
        if not self.ready or (isinstance(seen, Status) and seen.up_to_date):
            self._seen = seen

    async def _status(self) -> Status:
        """Ask for the status; raises TryAgain if there is no answer in time."""
        asking = asyncio.create_task(status_async(**self._where, wait_for_server=0))
        try:
            await asyncio.wait({asking}, timeout=LOOK_FOR)
            if not asking.done():
                raise TryAgain(f"The database has given no answer for {duration(LOOK_FOR)}.")
            return asking.result()
        finally:
            asking.cancel()  # its thread may end later

    def _reason(self) -> str | None:
        """Say why it is not up to date, for people who may not see the log."""
        if self._failed is not None:
            return self._failed
        if self._migrating:
            return self._delayed
        if isinstance(self._seen, BridgeError):
            return str(self._seen)
        return "\n".join(self._seen.problems) or None if self._seen else None


def _public(error: Exception) -> str:
    """Return the message without the statement and the server's answer to it."""
    if isinstance(error, BridgeError) and not isinstance(error, _OF_A_MIGRATION):
        return str(error)
    stem, failed, _ = str(error).partition(" failed: ")
    stem = stem.rpartition("\n")[2]
    what = stem if failed and stem.isprintable() and " " not in stem else "A migration"
    return f"{what} failed; the log of this process says why."
