"""Watch how long a migration waits for locks, and who holds them.

A thread beside the run looks, through a connection of its own, at a statement that lasts: the
server can name who is in the way only as long as the statement waits. One thread serves a whole
run, and it asks nothing while statements are quick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from bridge.execution.lock_errors import is_lock_timeout, one_line, why_final
from bridge.execution.lock_timeout import LockTimeout
from bridge.locking.blockers import Blocker, blockers_of, described, ending
from bridge.reporting import events
from bridge.reporting.numbers import duration
from bridge.waiting import OwnThread

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.execution.attempt import Attempt
    from bridge.execution.session_state import Baseline
    from bridge.execution.statement import Statement
    from bridge.execution.work import Work
    from bridge.locking.pooler import PooledClaim

#: Seconds after which a person is told for whom a statement waits; seconds from one time to the
#: next, at first and in the end.
TELL_AFTER, TELL_EVERY, TELL_SELDOM = 5.0, 5.0, 30.0

#: How long the end of a run waits for the thread to close its connection, in seconds.
_FAREWELL = 2.0


class LockWaits:
    """Limits the waits for locks of the files of one run, and reports them.

    `timeout` is ``ddl_lock_timeout``, in seconds; 0 sets no limit. `tell` is called from another
    thread.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        timeout: float,
        tell: Callable[[events.MigrationBlocked], None],
        lent: bool = False,
    ) -> None:
        self.timeout = timeout
        #: Who was in the way of the file that runs, or has just run, when last seen.
        self.blockers: tuple[Blocker, ...] = ()
        self._tell = tell
        self._lent = lent  # somebody goes on to use the session
        self._pool = connection.engine.pool
        self._limit: LockTimeout | None = None
        self._work: Work | None = None
        #: The statement that could not be looked at, so that it is not tried again and again.
        self._unseen: Statement | None = None
        self._stem = ""
        self._closed = threading.Event()
        self._thread: OwnThread | None = None
        # Before the limit is reached there must be time for a look or two.
        self._after = min(1.0, timeout / 4) if timeout else TELL_AFTER
        self._every = min(1.0, timeout / 4) if timeout else 1.0

    @contextmanager
    def watching(self) -> Iterator[LockWaits]:
        """Watch until the end of the block, and leave nothing behind."""
        try:
            yield self
        finally:
            self._closed.set()
            if self._thread is not None:
                self._thread.join(_FAREWELL)
            if self._limit is not None and self._lent:
                self._limit.close()

    def begin(self, attempt: Attempt, baseline: Baseline, pooled: PooledClaim | None) -> None:
        """Prepare for a file; its connection is between two transactions."""
        work = attempt.work
        self.blockers, self._stem, self._work = (), attempt.file.stem, work
        if self.timeout:
            if self._limit is None:
                self._limit = LockTimeout(
                    work.dbapi,
                    self.timeout,
                    before=baseline.lock_timeout,
                    pooled=pooled,
                    external=work.external,
                )
            self._limit.begin()

        if self._thread is None:
            self._thread = OwnThread(self._watch, name="bridge-waits")
            self._thread.start()

    def statement(self, statement: str) -> None:
        """Prepare for a statement of the file."""
        if self._limit is not None:
            self._limit.before(statement)

    def end(self) -> None:
        """End the file; its blockers are known until the next one begins."""
        self._work = None
        if self._limit is not None:
            self._limit.end()

    @property
    def limit(self) -> str | None:
        """Return the server's `lock_timeout` while a file runs, as it shows it; None if unset."""
        return self._limit.shown if self._limit is not None else None

    def forget_limit(self) -> None:
        """Note that the session has its own value again."""
        if self._limit is not None:
            self._limit.forget()

    def explain(self, attempt: Attempt, error: BaseException) -> Sequence[str]:
        """Explain the lock that was not obtained, if that is why the file failed."""
        if not is_lock_timeout(error, attempt.work):
            return ()
        lines = []
        if self.blockers:
            lines = [f"It was blocked by {described(self.blockers)}.", ending(self.blockers) or ""]
        reason = why_final(attempt, error)
        if self.timeout and reason:
            lines.append(f"It was not tried again by itself, because {reason}.")
        return [line for line in lines if line]

    @property
    def _now(self) -> Statement | None:
        """The last statement of the file that runs."""
        work = self._work  # which another thread sets
        return work.sent.now if work is not None else None

    def _watch(self) -> None:
        while not self._closed.wait(self._every):
            now = self._now
            if now is None or now is self._unseen or now.pid is None or now.age() < self._after:
                continue
            try:
                if now.runs():
                    self._follow(now, now.pid)
            except Exception:  # noqa: BLE001 - the migration goes on without a look
                self._unseen = now

    def _follow(self, now: Statement, pid: int) -> None:
        """Look at one statement until it has ended."""
        tell_at, pause = TELL_AFTER, TELL_EVERY
        # A pool of its own: the Engine's may have no connection left.
        pool = self._pool.recreate()
        try:
            with closing(pool.connect()) as connection, closing(connection.cursor()) as cursor:
                dbapi: Any = connection.dbapi_connection
                dbapi.autocommit = True
                while self._now is now and now.runs():
                    found = blockers_of(cursor, pid)
                    if self._now is not now:
                        return
                    self.blockers = found or self.blockers
                    if found and now.age() >= tell_at:
                        self._tell(events.MigrationBlocked(self._sentence(now, found)))
                        tell_at = now.age() + pause
                        pause = min(pause * 1.5, TELL_SELDOM)
                    if self._closed.wait(self._every):
                        return
        finally:
            pool.dispose()

    def _sentence(self, now: Statement, found: Sequence[Blocker]) -> str:
        return (
            f"{self._stem} waits for a lock, {duration(now.age())} after it has sent "
            f"{one_line(now.text)}: it is blocked by {described(found)}."
        )
