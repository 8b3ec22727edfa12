"""Show that a migration connection is alive, with a second advisory lock: the claim.

After `kill -9` of a migrator its migration lock (bridge.locking.migration_lock) is free at once,
while the backend of its migration connection works on and may even commit. So that connection holds
a second advisory lock for as long as it lives, and a successor waits for it before it starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.errors import LockNotObtained
from bridge.locking.holder import (
    CHECK_INTERVAL_CAN_BE_SET,
    CONNECTION_ALIVE,
    LOCK_CLASS,
    OWN_LOCK,
    UNLOCKED_BACKENDS,
    Holder,
    holder,
)
from bridge.locking.migration_lock import OnWait, terminate
from bridge.reporting.numbers import duration
from bridge.waiting import poll

if TYPE_CHECKING:
    from types import TracebackType

# A session-level lock and setting only where the session is ours: through a pooler
# (`direct` is false) they would stay on a server connection that others get next.
_TRY_CLAIM = text(f"""
    WITH session AS MATERIALIZED (
        SELECT pg_backend_pid() = :backend_pid AS direct
    ), attempt AS MATERIALIZED (
        SELECT direct,
               CASE WHEN EXISTS ({UNLOCKED_BACKENDS}
                                 AND query_start < coalesce(:began, clock_timestamp())) THEN false
                    WHEN direct THEN pg_try_advisory_lock(:lock_class, :connection_alive)
                    ELSE pg_try_advisory_xact_lock(:lock_class, :connection_alive) END AS obtained
          FROM session
    )
    SELECT obtained, direct, clock_timestamp() AS now,
           CASE WHEN obtained AND {CHECK_INTERVAL_CAN_BE_SET}
                THEN set_config('client_connection_check_interval', '2s', NOT direct)
           END IS NOT NULL AS interval_set
      FROM attempt
""").bindparams(lock_class=LOCK_CLASS, connection_alive=CONNECTION_ALIVE)  # noqa: S608 - constants

# The server's view of its backends is kept to the end of a transaction.
_LOOK_AGAIN = text("SELECT pg_stat_clear_snapshot()")

# For a session that may have let go of everything; a lock that it has would be counted twice.
_KEEP_CLAIM = text(f"""
    SELECT CASE WHEN NOT EXISTS (SELECT FROM {OWN_LOCK.format("connection_alive")})
                THEN pg_try_advisory_lock(:lock_class, :connection_alive) END,
           CASE WHEN :interval_set
                THEN set_config('client_connection_check_interval', '2s', false) END
""").bindparams(lock_class=LOCK_CLASS, connection_alive=CONNECTION_ALIVE)  # noqa: S608 - constants

_RELEASE_CLAIM = text("""
    SELECT pg_advisory_unlock(:lock_class, :connection_alive),
           CASE WHEN :interval_set
                THEN set_config('client_connection_check_interval', '0', false) END
""").bindparams(lock_class=LOCK_CLASS, connection_alive=CONNECTION_ALIVE)


@dataclass(frozen=True)
class Claim:
    """What `claim` took and changed on a connection, so that it can be put back."""

    connection: Connection
    #: Whether the session holds the lock, beyond the transaction in which it was obtained.
    held: bool
    #: Whether client_connection_check_interval was set for the session.
    interval_set: bool

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def keep(self) -> None:
        """Take the lock and the setting again, if a statement may have let go of them.

        One round trip, in the transaction in which the connection is. Nobody else can have the
        lock: a successor needs the migration lock before it asks for this one.
        """
        if self.held:
            self.connection.execute(_KEEP_CLAIM, {"interval_set": self.interval_set})

    def release(self) -> None:
        """Give the lock and the setting back, rolling back what the connection has not committed.

        Never raises for a connection in trouble: it is cut instead, which frees the lock too.
        """
        if not self.held:
            return
        try:
            self.connection.rollback()
            self.connection.execute(_RELEASE_CLAIM, {"interval_set": self.interval_set})
            self.connection.commit()
        except DBAPIError:
            self.connection.invalidate()


def claim(
    connection: Connection,
    *,
    wait: float,
    on_wait: OnWait | None = None,
    in_transaction: bool = False,
) -> Claim:
    """Wait until no migration connection of an earlier run lives, and make this one known.

    Also lets the server notice within two seconds when this process dies, also in the middle of a
    statement, where the server can. The connection is outside of a transaction before and after;
    release the Claim before the connection goes back to its pool.

    With `in_transaction`, inside a transaction of the caller's: no transaction is ended, and lock
    and setting end with the caller's. Behind a pooler, whose sessions are shared, nothing can be
    held beyond a transaction: the Claim is not held then, and bridge.locking.pooled_liveness goes
    on from there.

    :param wait: seconds to wait for an earlier connection; 0 tries once.
    :param on_wait: called when waiting begins and about every five seconds after that.

    Raises LockNotObtained when the wait is over.
    """
    if connection.in_transaction() and not in_transaction:
        raise RuntimeError("The claim needs a connection outside of a transaction.")
    attempt = _ClaimAttempt(connection, on_wait, in_transaction=in_transaction)
    if not poll(attempt.run, wait=wait, tell=attempt.tell):
        raise LockNotObtained(_connection_alive(attempt.holder(), wait))
    return attempt.claim


class _ClaimAttempt:
    """The tries of one `claim`, each in a transaction of its own unless it is the caller's."""

    def __init__(
        self, connection: Connection, on_wait: OnWait | None, *, in_transaction: bool
    ) -> None:
        self._connection = connection
        self._on_wait = on_wait
        self._in_transaction = in_transaction
        #: The server's time of the first try: what was sent later is no dead process's.
        self._began: datetime | None = None
        self._backend_pid = 0 if in_transaction else _backend_pid(connection)
        self.claim = Claim(connection, held=False, interval_set=False)

    def run(self) -> bool:
        if self._in_transaction:
            self._connection.execute(_LOOK_AGAIN)
        values = {"backend_pid": self._backend_pid, "began": self._began}
        row = self._connection.execute(_TRY_CLAIM, values).one()
        self._began = self._began or row.now
        if row.obtained:
            session = bool(row.direct)
            self.claim = Claim(self._connection, session, session and row.interval_set)
        if not self._in_transaction:
            # Committed, because a setting made in a transaction that rolls back is undone.
            self._connection.commit() if row.obtained else self._connection.rollback()
        return bool(row.obtained)

    def holder(self) -> Holder | None:
        found = holder(self._connection, key=CONNECTION_ALIVE)
        if not self._in_transaction:
            self._connection.rollback()
        return found

    def tell(self, waited: float) -> None:
        if self._on_wait is not None:
            self._on_wait(self.holder(), waited)


def _backend_pid(connection: Connection) -> int:
    """Return the process id that the driver was told when it connected.

    A pooler such as PgBouncer tells one of its own invention, so a backend with another id means
    that the session is not ours alone.
    """
    info = getattr(connection.connection.driver_connection, "info", None)
    return int(getattr(info, "backend_pid", 0))


def _connection_alive(found: Holder | None, wait: float) -> str:
    sentence = "An earlier migration run has ended, but its database connection was still working "
    sentence += f"after {duration(wait)}"
    if found is None:
        return sentence + ", until a moment ago. Nothing was started. Run the same command again."
    busy = "" if found.statement is None else f", {duration(found.statement)} into its statement"
    return sentence + (
        f": {found}{busy}. What it does may still be committed, so nothing was started. Run the "
        "same command again when that is done. Only if you are sure that it hangs, end it with: "
        f"{terminate(found.pid)}"
    )
