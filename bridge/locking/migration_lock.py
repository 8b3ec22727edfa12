"""The migration lock: one migrator at a time on one database.

An advisory lock, in sight of everyone in `pg_locks`, held by a connection of its own that does
nothing else. It decides which process may migrate; whoever has obtained it must look again what is
pending. Nothing here reads or writes the ledger; what becomes of a migration's backend when its
process is killed is the matter of bridge.locking.liveness.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool

from bridge.database.connection_state import is_silent
from bridge.database.driver_errors import first_line
from bridge.errors import LockLost, LockNotObtained, UsageError
from bridge.locking.holder import (
    APPLICATION_NAME,
    LOCK_CLASS,
    MIGRATION_LOCK,
    OWN_LOCK,
    WAITING_NAME,
    Holder,
    holder,
)
from bridge.reporting.numbers import duration
from bridge.waiting import poll

if TYPE_CHECKING:
    from types import TracebackType

#: PostgreSQL cuts an application_name after this many bytes (NAMEDATALEN - 1).
APPLICATION_NAME_BYTES = 63

#: Seconds after which a lock that was there is asked for again, before a migration begins. Within
#: them only the server itself can have ended its connection, and that shows on the socket.
TRUSTED = 1.0

#: Called with the holder, if it can be seen, and the seconds waited so far.
OnWait = Callable[[Holder | None, float], None]

# Everything is LOCAL: it ends with the transaction, so the connection goes back to its pool, or
# to a pooler, as it came. An idle transaction must survive the timeouts set for careless ones;
# a server that does not know a timeout (transaction_timeout came with 17) is not asked to set it.
# The keepalives make the server notice a vanished client machine within about a minute.
_TRY_MIGRATION_LOCK = text("""
    SELECT pg_try_advisory_xact_lock(:lock_class, :migration_lock),
           set_config('application_name', :name, true),
           set_config('statement_timeout', '0', true),
           set_config('idle_in_transaction_session_timeout', '0', true),
           CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
                THEN set_config('transaction_timeout', '0', true) END,
           set_config('tcp_keepalives_idle', '30', true),
           set_config('tcp_keepalives_interval', '10', true),
           set_config('tcp_keepalives_count', '3', true)
""").bindparams(lock_class=LOCK_CLASS, migration_lock=MIGRATION_LOCK, name=APPLICATION_NAME)

# For the session, whose connection is closed in the end.
_SAY_THAT_IT_WAITS = text("SELECT set_config('application_name', :name, false)").bindparams(
    name=WAITING_NAME
)

# No SELECT, which would have a snapshot: a CREATE INDEX CONCURRENTLY of the migration that runs now
# waits for all transactions that had one at its moment, and this one ends after the migration.
_SHOW = text("SET LOCAL application_name = :name")

_MARK = text(f"""
    SELECT set_config('application_name', :name, true) FROM {OWN_LOCK.format("migration_lock")}
""").bindparams(  # noqa: S608 - constants
    lock_class=LOCK_CLASS, migration_lock=MIGRATION_LOCK
)


class MigrationLock:
    """The right to migrate a database, held from `with` to the end of its block.

    :param wait: seconds to wait for another holder; 0 tries once.
    :param on_wait: called when waiting begins and about every five seconds after that.

    Entering raises LockNotObtained when the wait is over; nothing is left behind then, nor when
    the wait is interrupted. It needs a connection of its own from the engine's pool.
    """

    def __init__(self, engine: Engine, *, wait: float, on_wait: OnWait | None = None) -> None:
        self._engine = engine
        self._wait = wait
        self._on_wait = on_wait
        self._connection: Connection | None = None
        self._asking = threading.Lock()
        self._wanted = self._shown = ""  # what others are to be shown, and what they are
        self._seen = -TRUSTED  # when the lock was last there, by the monotonic clock
        self._lost: LockLost | None = None

    def __enter__(self) -> Self:
        try:
            if not poll(self._try, wait=self._wait, tell=self._tell):
                raise LockNotObtained(  # noqa: TRY301 - the wait is over, as it is for a signal
                    _lock_not_obtained(self._holder(), self._wait)
                )
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release()

    def may_begin(self, label: str) -> None:
        """Do as `mark` does, in a series of quick migrations without a round trip for each.

        Others may be shown the one before, until `show` is called.
        """
        recent = self._lost is None and time.monotonic() < self._seen + TRUSTED
        if recent and self._is_silent():
            self._wanted = label
        else:
            self.mark(label)

    def mark(self, label: str) -> None:
        """Make sure that the lock is still held, and show others what is about to run.

        One round trip. Raises LockLost if the connection or its lock is gone.
        """
        if self._connection is None:
            raise RuntimeError("The migration lock is marked outside of its with block.")
        self._wanted = label
        self._confirm(self._connection, label)

    def show(self) -> None:
        """Show others what runs, if they are not shown it yet; may be called by any thread.

        What is wrong with the lock is left to the next migration to tell.
        """
        label, connection = self._wanted, self._connection
        if connection is None or label == self._shown:
            return
        with self._asking:
            if self._lost is None:
                try:
                    connection.execute(_SHOW, {"name": _name(label)})
                except DBAPIError as exc:
                    self._lost = _cut(exc)
                else:
                    self._shown = label

    def _confirm(self, connection: Connection, label: str) -> None:
        with self._asking:
            if self._lost is None:
                self._lost = _lost(connection, _name(label))
            if self._lost is not None:
                raise self._lost
            self._shown, self._seen = label, time.monotonic()

    def _is_silent(self) -> bool:
        dbapi = self._connection and self._connection.connection.dbapi_connection
        return dbapi is not None and is_silent(dbapi)

    def refuse_sharing(self, connection: Connection) -> None:
        """Raise UsageError if the engine gives out one connection to everybody."""
        mine = self._connection and self._connection.connection.dbapi_connection
        if mine is connection.connection.dbapi_connection:
            raise UsageError(
                f"The Engine's pool ({type(self._engine.pool).__name__}) gives out one connection "
                "for everything, but a run needs two: one for the migrations and one for their "
                "lock. Nothing was started. Hand in an Engine with another pool, or the URL."
            )

    def _connect(self) -> Connection:
        try:
            return self._engine.connect()
        except (DBAPIError, PoolTimeout) as exc:
            raise LockNotObtained(
                "The migration lock needs a connection of its own, which could not be made: "
                f"{first_line(exc).rstrip('.')}. Nothing was started. Run the same command again. "
                "If that does not help, let the server, the role and the pool give two connections "
                "to one run."
            ) from exc

    def _try(self) -> bool:
        if self._connection is not None:
            try:
                return self._try_on(self._connection)
            except DBAPIError as exc:
                if not exc.connection_invalidated:
                    raise
                self._release()  # cut while it paused, by idle_session_timeout say
        # READ COMMITTED whatever the engine's default: in REPEATABLE READ the idle holder would
        # keep a snapshot, and CREATE INDEX CONCURRENTLY would wait for it.
        self._connection = self._connect()
        self._connection.execution_options(isolation_level="READ COMMITTED")
        return self._try_on(self._connection)

    def _try_on(self, connection: Connection) -> bool:
        obtained = bool(connection.scalar(_TRY_MIGRATION_LOCK))
        if obtained:
            self._seen = time.monotonic()
        else:
            # Between two tries a waiter is in no transaction: it holds up nobody, and behind a
            # pooler it keeps no server connection to itself.
            connection.rollback()
            named = "bridge.waits" in connection.info
            if not named and isinstance(connection.engine.pool, NullPool):  # no one gets it later
                connection.execute(_SAY_THAT_IT_WAITS)
                connection.commit()
                connection.info["bridge.waits"] = True
        return obtained

    def _holder(self) -> Holder | None:
        if self._connection is None:
            return None
        found = holder(self._connection)
        self._connection.rollback()
        return found

    def _tell(self, waited: float) -> None:
        if self._on_wait is not None:
            self._on_wait(self._holder(), waited)

    def _release(self) -> None:
        """End the transaction, and the lock with it; a connection that is dead has done so."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.rollback()
        except DBAPIError:
            connection.invalidate()
        finally:
            connection.close()


def _name(label: str) -> str:
    name = f"{APPLICATION_NAME}: {label}" if label else APPLICATION_NAME
    # Servers replace other characters than ASCII, each version in its own way.
    return name.encode("ascii", "replace").decode()[:APPLICATION_NAME_BYTES]


def _lost(connection: Connection, name: str) -> LockLost | None:
    """Take this name, and say whether the lock is gone."""
    try:
        held = connection.execute(_MARK, {"name": name}).first() is not None
    except DBAPIError as exc:
        return _cut(exc)
    return None if held else LockLost(_lock_lost("the server no longer lists the lock"))


def _cut(error: DBAPIError) -> LockLost:
    lost = LockLost(_lock_lost(first_line(error).rstrip(".")))
    lost.__cause__ = error
    return lost


def _lock_not_obtained(found: Holder | None, wait: float) -> str:
    sentence = f"The migration lock of this database was not obtained within {duration(wait)}: "
    if found is None:
        return sentence + (
            "other processes held it, the last one until a moment ago. Nothing was started. "
            "Run the same command again."
        )
    backends = [found.pid] if found.worker_pid is None else [found.worker_pid, found.pid]
    return sentence + (
        f"it is held by {found}. Nothing was started. Run the same command again when that is "
        f"done. Only if you are sure that it hangs, end it with: {terminate(*backends)}"
    )


def terminate(*backends: int) -> str:
    """Return the statement a person may type to end these backends."""
    return "SELECT " + ", ".join(f"pg_terminate_backend({pid})" for pid in backends) + ";"


def _lock_lost(cause: str) -> str:
    return (
        f"The connection that held the migration lock was cut ({cause}). No further "
        "migration was started; those already applied stay applied. Run the same command again."
    )
