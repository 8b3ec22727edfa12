"""Let one command migrate, and tell a person for whom it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bridge.errors import LockNotObtained
from bridge.locking.holder import CONNECTION_ALIVE, MIGRATION_LOCK, Answer, Holder, holder
from bridge.locking.messages import AGAIN, not_obtained, waiting
from bridge.locking.session_lock import SessionLock
from bridge.locking.transaction_lock import attempt_in_transaction
from bridge.reporting.reporter import Reporter
from bridge.waiting import poll

if TYPE_CHECKING:
    from bridge.locking.pooler import PooledClaim


@dataclass(frozen=True, slots=True)
class Right:
    """The right to migrate."""

    #: What shows others which migration runs next; behind a pooler it raises LockLost.
    show: Callable[[str], None] = lambda _stem: None
    #: What to call after a statement that may have let go of the session's locks; raises LockLost.
    keep: Callable[[], None] = lambda: None
    #: The lock, where it is on the session of the migrations.
    session: SessionLock | None = None
    #: What claims for each transaction, behind a pooler; None elsewhere.
    pooled: PooledClaim | None = None


@contextmanager
def exclusively(
    connection: Connection,
    *,
    wait: float,
    reporter: Reporter,
    in_transaction: bool,
    pooler: str = "auto",
    lent: bool = False,
) -> Iterator[Right]:
    """Keep everybody else from migrating this database, for the block.

    `wait` is in seconds. The connection is outside of a transaction, or, `in_transaction`, in
    one of the caller's, with which the lock then ends. `pooler` is the setting. A connection
    that is `lent` gets its session back as it was. Raises LockNotObtained when the wait is over.
    """
    if in_transaction:
        # Held until the caller ends the transaction: only then can others see what was done.
        trying = _Trying(connection, lambda: attempt_in_transaction(connection), reporter)
        trying.obtain(wait, "Roll back, and try again")
        yield Right()
        return
    lock = SessionLock(connection, pooler, lent)
    try:
        if pooler == "yes" or _Trying(connection, lock.attempt, reporter).obtain(wait) == "pooled":
            from bridge.locking.pooler import behind_a_pooler

            with behind_a_pooler(connection, wait, reporter) as claim:
                yield Right(show=claim.show, pooled=claim)
        else:
            yield Right(show=lock.show, keep=lock.keep, session=lock)
    finally:
        lock.release()


class _Trying:
    """The tries of one command to get the lock."""

    def __init__(
        self, connection: Connection, attempt: Callable[[], Answer], reporter: Reporter
    ) -> None:
        self._connection = connection
        self._attempt = attempt
        self._reporter = reporter
        self._in_transaction = connection.in_transaction()
        self._answer: Answer = "held"

    def obtain(self, wait: float, again: str = AGAIN) -> Answer:
        """Return "ours" or "pooled"; raises LockNotObtained after so many seconds."""
        if not poll(self._succeeds, wait=wait, tell=self._tell):
            raise LockNotObtained(not_obtained(self._answer, self._holder(), wait, again))
        return self._answer

    def _succeeds(self) -> bool:
        self._answer = self._attempt()
        return self._answer in {"ours", "pooled"}

    def _holder(self) -> Holder | None:
        key = CONNECTION_ALIVE if self._answer == "left" else MIGRATION_LOCK
        if self._in_transaction:
            return holder(self._connection, key=key)
        try:
            return holder(self._connection, key=key)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return None  # cut while it waited; the next try sees to that
        finally:
            self._connection.rollback()

    def _tell(self, waited: float) -> None:
        self._reporter.tell(waiting(self._answer, self._holder(), waited))
