"""Let one command migrate, and tell a person for whom it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bridge.errors import LockNotObtained, UsageError
from bridge.locking.holder import CONNECTION_ALIVE, Answer, Holder, holder
from bridge.locking.messages import AGAIN, NOTHING, not_obtained, waiting
from bridge.locking.scope import Scope
from bridge.locking.session_lock import SessionLock
from bridge.locking.transaction_lock import attempt_in_transaction
from bridge.reporting.reporter import Reporter
from bridge.waiting import poll

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.locking.pooler import PooledClaim


#: What has become of a run that wants the database as a whole for its next migration.
_STAYS = "The next migration touches the database as a whole and was not started; those before stay"


@dataclass(frozen=True, slots=True)
class Right:
    """The right to migrate."""

    #: What shows others which migration runs next; behind a pooler it raises LockLost.
    show: Callable[[str], None] = lambda _stem: None
    #: What to call after a statement that may have let go of the session's locks; raises LockLost.
    keep: Callable[[], None] = lambda: None
    #: Told before each migration whether it touches the database as a whole, and not only its
    #: target; raises LockNotObtained where others are in the way for too long.
    spread: Callable[[bool], None] = lambda _wide: None
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
    target: Target | None = None,
) -> Iterator[Right]:
    """Keep everybody else from migrating this database, or this target of it, for the block.

    `wait` is in seconds. The connection is outside of a transaction, or, `in_transaction`, in
    one of the caller's, with which the lock then ends. `pooler` is the setting. A connection
    that is `lent` gets its session back as it was. Raises LockNotObtained when the wait is over,
    and UsageError for the schema of a target behind a pooler.
    """
    scope = Scope.of(target)
    trying = partial(_Trying, connection, reporter)
    if in_transaction:
        # Held until the caller ends the transaction: only then can others see what was done.
        again = "Roll back, and try again"
        here = partial(attempt_in_transaction, connection)
        trying(partial(here, scope), scope).obtain(wait, again)

        def spread_here(wide: bool) -> None:  # noqa: FBT001
            if wide and scope.key is not None:
                trying(partial(here, scope.wide), scope.wide).obtain(wait, again, _STAYS)

        yield Right(spread=spread_here)
        return
    lock = SessionLock(connection, pooler, lent, scope)

    def spread(wide: bool) -> None:  # noqa: FBT001
        if wide and scope.key is not None:
            trying(lock.widen, scope.wide).obtain(wait, started=_STAYS)
        elif scope.key is not None:
            lock.narrow()

    try:
        if pooler == "yes" or trying(lock.attempt, scope).obtain(wait) == "pooled":
            _refuse_target(scope)
            from bridge.locking.pooler import behind_a_pooler

            with behind_a_pooler(connection, wait, reporter) as claim:
                yield Right(show=claim.show, pooled=claim)
        else:
            yield Right(show=lock.show, keep=lock.keep, spread=spread, session=lock)
    finally:
        lock.release()


def _refuse_target(scope: Scope) -> None:
    if scope.target is not None:
        raise UsageError(
            f"A pooler such as PgBouncer stands before this database, and {scope} needs a session "
            "of its own for its search_path and its lock. Nothing was started. Set "
            "MIGRATION_DATABASE_URL, or the target's URL, to the address of the server itself; if "
            "there is no pooler, set pooler = no."
        )


class _Trying:
    """The tries of one command to get the lock."""

    def __init__(
        self,
        connection: Connection,
        reporter: Reporter,
        attempt: Callable[[], Answer],
        scope: Scope,
    ) -> None:
        self._connection = connection
        self._attempt = attempt
        self._reporter = reporter
        self._scope = scope
        self._in_transaction = connection.in_transaction()
        self._answer: Answer = "held"

    def obtain(self, wait: float, again: str = AGAIN, started: str = NOTHING) -> Answer:
        """Return "ours" or "pooled"; raises LockNotObtained after so many seconds."""
        if not poll(self._succeeds, wait=wait, tell=self._tell):
            raise LockNotObtained(
                not_obtained(
                    self._answer,
                    self._holder(),
                    wait,
                    again=again,
                    scope=self._scope,
                    started=started,
                )
            )
        return self._answer

    def _succeeds(self) -> bool:
        self._answer = self._attempt()
        return self._answer in {"ours", "pooled"}

    def _holder(self) -> Holder | None:
        in_the_way: dict[str, Any] = {"keys": self._scope.held_by, "alone": not self._scope.wishes}
        if self._answer == "left":
            in_the_way["keys"] = (CONNECTION_ALIVE,)
        if self._in_transaction:
            return holder(self._connection, **in_the_way)
        try:
            return holder(self._connection, **in_the_way)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return None  # cut while it waited; the next try sees to that
        finally:
            self._connection.rollback()

    def _tell(self, waited: float) -> None:
        self._reporter.tell(waiting(self._answer, self._holder(), waited, self._scope))
