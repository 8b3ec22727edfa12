"""Run a migration again that did not get a lock in time.

A file is executed once for each attempt, so only a file of which nothing has stayed is tried
again: what it did outside of the database, it does again.
"""

from __future__ import annotations

import random
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bridge.errors import MigrationError, StillBlocked
from bridge.execution.failure import line_of
from bridge.execution.lock_errors import is_lock_timeout, lock_error, one_line, why_final
from bridge.execution.lock_waits import LockWaits
from bridge.locking.blockers import described
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.numbers import counted, duration
from bridge.reporting.reporter import Reporter
from bridge.waiting import sleep

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.execution.runner import Runner
    from bridge.files.plain_file import PlainFile

#: The shortest and the longest pause between two attempts, in seconds.
PAUSES = (1.0, 30.0)


class Retrying:
    """Runs files, each as often as `tries` allows while others hold its locks.

    `timeout` is in seconds; 0 sets no limit, and then nothing is tried again. The Runner needs
    the two attributes.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        timeout: float,
        tries: int,
        reporter: Reporter,
        lent: bool = False,
    ) -> None:
        self.reporter = HoldingReporter(reporter)
        self.lock_waits = LockWaits(connection, timeout=timeout, tell=reporter.tell, lent=lent)
        self._timeout = timeout
        self._tries = tries

    def watching(self) -> AbstractContextManager[LockWaits]:
        """Report waits for locks until the end of the block."""
        return self.lock_waits.watching()

    def run(self, runner: Runner, file: PlainFile, direction: Direction) -> None:
        """Run a file as `Runner.run`, and again after a lock timeout that left nothing behind.

        Raises StillBlocked after the last try.
        """
        began = time.monotonic()
        attempt = 1
        while True:
            self.reporter.hold()
            try:
                runner.run(file, direction)
                return
            except MigrationError as error:
                if not self._may_run_again(runner, error):
                    raise
                if attempt == self._tries:
                    raise _given_up(error, attempt, time.monotonic() - began) from error
                self.reporter.forget()
                pause = pause_after(attempt)
                again = (
                    f"{self._why(file, error)} Nothing of it stays; trying again in "
                    f"{duration(pause)} (try {attempt + 1} of {self._tries})."
                )
                self.reporter.tell(events.MigrationBlocked(again))
            finally:
                self.reporter.let_go()
            sleep(pause)
            attempt += 1

    def _may_run_again(self, runner: Runner, error: MigrationError) -> bool:
        failed, cause = runner.failed, error.__cause__
        return (
            self._timeout > 0
            and failed is not None
            and cause is not None
            and is_lock_timeout(cause, failed.work)
            and why_final(failed, cause) is None
        )

    def _why(self, file: PlainFile, error: MigrationError) -> str:
        cause = lock_error(error) or error
        line = line_of(cause, file.path)
        statement = getattr(cause, "statement", None)
        what = one_line(str(statement)) if statement else "a statement"
        who = described(self.lock_waits.blockers) or "others (who they are was not seen)"
        where = f" at line {line}" if line else ""
        return f"{file.stem} did not get a lock in time: {what}{where} was blocked by {who}."


class HoldingReporter(Reporter):
    """Holds a failure back until it is known that the file is not tried again."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self._holds = False
        self._failed: events.MigrationFailed | None = None

    def hold(self) -> None:
        """Hold failures back from now on."""
        self._holds, self._failed = True, None

    def let_go(self) -> None:
        """Report the failure that was held back and not forgotten, and hold no other."""
        self._holds = False
        if self._failed is not None:
            self._inner.tell(self._failed)

    def tell(self, event: events.Event) -> None:
        """Pass it on; keep a failure that is to be held back."""
        if self._holds and isinstance(event, events.MigrationFailed):
            self._failed = event
        else:
            self._inner.tell(event)

    def forget(self) -> None:
        """Forget the failure: the file is tried again."""
        self._failed = None


def pause_after(attempt: int) -> float:
    """Return the seconds to wait after so many attempts: growing, and random for replicas."""
    shortest, longest = PAUSES
    jitter = random.uniform(1.0, 1.5)  # noqa: S311
    return min(longest, shortest * 2.0 ** (attempt - 1) * jitter)


def _given_up(error: MigrationError, tries: int, seconds: float) -> StillBlocked:
    times = counted(tries, "try", "tries")
    return StillBlocked(
        f"Given up after {times} in {duration(seconds)}, because others hold a lock that it "
        f"needs.\n{error}"
    )
