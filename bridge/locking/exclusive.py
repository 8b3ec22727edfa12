"""Let one command migrate: it gets the lock, and no earlier run still works.

It puts together `bridge.locking.migration_lock` and `bridge.locking.liveness`, and tells a person
for whom it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.errors import LockNotObtained
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK, Holder, holder
from bridge.locking.liveness import claim
from bridge.locking.migration_lock import MigrationLock
from bridge.locking.pool_wait import not_for_ever, refuse_pool_of_one
from bridge.locking.pooled_liveness import PooledClaim
from bridge.reporting import events
from bridge.reporting.numbers import duration
from bridge.reporting.reporter import Reporter
from bridge.waiting import poll


@dataclass(frozen=True, slots=True)
class Right:
    """The right to migrate."""

    #: What to ask before each migration, with its stem; raises LockLost.
    may_begin: Callable[[str], None]
    #: What shows others which migration runs, once it has run for a moment.
    show: Callable[[], None] = lambda: None
    #: What to call after a statement that may have let go of the session's locks.
    keep: Callable[[], None] = lambda: None
    #: What claims for each transaction, behind a pooler; None where the session has claimed.
    pooled: PooledClaim | None = None


@contextmanager
def exclusively(
    connection: Connection, *, wait: float, reporter: Reporter, in_transaction: bool
) -> Iterator[Right]:
    """Keep everybody else from migrating this database, for the block.

    `wait` is in seconds. The connection is outside of a transaction, or, `in_transaction`, in
    one of the caller's, with which the lock then ends. Raises LockNotObtained when the wait is
    over.
    """

    def tell_of_lock(found: Holder | None, waited: float) -> None:
        who = str(found) if found else "a process that this role may not see"
        reporter.tell(
            events.WaitingForLock(
                f"Waiting for the migration lock{_so_far(waited)}: it is held by {who}."
            )
        )

    def tell_of_earlier_run(found: Holder | None, waited: float) -> None:
        who = str(found) if found else "a backend that this role may not see"
        reporter.tell(
            events.WaitingForLock(
                f"Waiting for the rest of an earlier run{_so_far(waited)}: its process has ended, "
                f"but its {who} still works."
            )
        )

    if in_transaction:
        # Held until the caller ends the transaction: only then can others see what was done.
        _lock_in_transaction(connection, wait, tell_of_lock)
        claim(connection, wait=wait, on_wait=tell_of_earlier_run, in_transaction=True)
        yield Right(lambda _stem: None)
        return
    refuse_pool_of_one(connection.engine)
    with MigrationLock(connection.engine, wait=wait, on_wait=tell_of_lock) as lock:
        lock.refuse_sharing(connection)
        with not_for_ever(connection, reporter.tell):
            _revive(connection)
        with claim(connection, wait=wait, on_wait=tell_of_earlier_run) as claimed:
            if claimed.held:
                yield Right(lock.may_begin, lock.show, claimed.keep)
            else:
                pooled = PooledClaim(connection, lock.mark)
                yield Right(pooled.may_begin, pooled=pooled)


def _so_far(waited: float) -> str:
    return f" (for {duration(waited)} so far)" if waited >= 1 else ""


def _revive(connection: Connection) -> None:
    """Connect anew if the connection was cut while its process waited."""
    try:
        connection.scalar(text("SELECT 1"))
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    finally:
        # SQLAlchemy connects again at the next statement.
        connection.rollback()


def _lock_in_transaction(
    connection: Connection, wait: float, tell: Callable[[Holder | None, float], None]
) -> None:
    statement = text("SELECT pg_try_advisory_xact_lock(:lock_class, :lock)")
    keys = {"lock_class": LOCK_CLASS, "lock": MIGRATION_LOCK}
    obtained = poll(
        lambda: bool(connection.scalar(statement, keys)),
        wait=wait,
        tell=lambda waited: tell(holder(connection), waited),
    )
    if not obtained:
        raise LockNotObtained(
            f"The migration lock of this database was not obtained within {duration(wait)}: it "
            f"is held by {holder(connection) or 'a process that has just ended'}. Nothing was "
            "started. Roll back, and try again when that is done."
        )
