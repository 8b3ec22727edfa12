"""The migration lock behind a pooler, where no session is ours.

PgBouncer in transaction mode gives each transaction of a client any of its server connections, and
what stays on one is found there by the next client. So a second connection holds the lock in an
idle transaction, and each transaction of the migration makes a claim: a second key, for which a
successor waits after `kill -9`. Statements outside of transactions cannot hold any lock; their
connection has a name instead, which PgBouncer keeps with the client, and which a successor looks
for among the backends that work.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from bridge.database.cancel import Watched
from bridge.database.connection_state import is_idle
from bridge.database.driver_errors import first_line
from bridge.database.own_connection import beside
from bridge.errors import LockLost, LockNotObtained
from bridge.locking.holder import (
    APPLICATION_NAME,
    CHECK_INTERVAL_CAN_BE_SET,
    CONNECTION_ALIVE,
    HOLDS_LOCK,
    LOCK_CLASS,
    MIGRATION_LOCK,
    UNLOCKED_BACKENDS,
    UNLOCKED_NAME,
    Holder,
    holder,
    holder_name,
)
from bridge.locking.messages import not_obtained, waiting
from bridge.reporting import events
from bridge.reporting.numbers import duration
from bridge.reporting.reporter import Reporter
from bridge.waiting import OwnThread, poll

#: Seconds without an answer after which it is told.
TELL_AFTER = 3.0
#: Seconds after that in which a run that holds the lock gives up: others wait for it.
GIVE_UP_AFTER = 17.0

#: What has to be the first statement of its transaction.
_MUST_BE_FIRST = re.compile(r"\s*SET\s+TRANSACTION\b", re.IGNORECASE)

# Everything is LOCAL: it ends with the transaction, so that the pooler gets its connection back as
# it was. An idle transaction must survive the time limits for careless ones.
_LOCK = text("""
    SELECT pg_try_advisory_xact_lock(:lock_class, :lock),
           set_config('application_name', :name, true),
           set_config('statement_timeout', '0', true),
           set_config('idle_in_transaction_session_timeout', '0', true),
           CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
                THEN set_config('transaction_timeout', '0', true) END,
           set_config('tcp_keepalives_idle', '30', true),
           set_config('tcp_keepalives_interval', '10', true),
           set_config('tcp_keepalives_count', '3', true)
""").bindparams(lock_class=LOCK_CLASS, lock=MIGRATION_LOCK, name=APPLICATION_NAME)

_SHOW = text(f"""
    SELECT set_config('application_name', :name, true) WHERE {HOLDS_LOCK}
""")

_FREE = text(f"""
    SELECT NOT EXISTS ({UNLOCKED_BACKENDS}) AND pg_try_advisory_xact_lock(:lock_class, :alive)
""").bindparams(lock_class=LOCK_CLASS, alive=CONNECTION_ALIVE)

# Tried and not waited for: who has it now has taken over, which it could not while the migration
# lock was held. The interval lets the server notice that the pooler has hung up. The limit for
# waits on locks comes along, since it has to be told each transaction, too.
_CLAIM = text(f"""
    SELECT pg_try_advisory_xact_lock(:lock_class, :alive),
           CASE WHEN {CHECK_INTERVAL_CAN_BE_SET}
                THEN set_config('client_connection_check_interval', '2s', true) END,
           CASE WHEN :lock_timeout <> '' THEN set_config('lock_timeout', :lock_timeout, true) END,
           pg_backend_pid()
""").bindparams(lock_class=LOCK_CLASS, alive=CONNECTION_ALIVE)

_OWN_NAME = text("SELECT current_setting('application_name')")
# For the session: a pooler that knows this parameter gives it to each server connection of ours.
_SET_NAME = text("SELECT set_config('application_name', :name, false)")

_MEND = (
    "A pooler such as PgBouncer must have two server connections for one run, one for the "
    "migrations and one for their lock: raise default_pool_size, or the pool_size of this "
    "database, or set MIGRATION_DATABASE_URL to the address of the server itself"
)


@contextmanager
def behind_a_pooler(
    connection: Connection, wait: float, reporter: Reporter
) -> Iterator[PooledClaim]:
    """Hold the lock on a second connection; yield what claims.

    The connection is in no transaction. Raises LockNotObtained after `wait` seconds.
    """
    with _second(connection.engine) as second:
        lock = _Lock(second, connection, wait, reporter)
        lock.obtain()
        with _not_for_ever(connection, reporter.tell):
            lock.wait_for_earlier_run()
        yield PooledClaim(connection, lock.show)


@contextmanager
def _second(engine: Engine) -> Iterator[Connection]:
    with beside(engine) as other:  # its pool may have one connection only, which is the first
        try:
            # READ COMMITTED whatever the engine's default: in REPEATABLE READ the idle holder would
            # keep a snapshot, and CREATE INDEX CONCURRENTLY would wait for it.
            second = other.connect().execution_options(isolation_level="READ COMMITTED")
        except DBAPIError as error:
            raise LockNotObtained(
                "Behind a pooler the migration lock needs a connection of its own, which could not "
                f"be made: {first_line(error).rstrip('.')}. Nothing was started. {_MEND}."
            ) from error
        try:
            yield second
        finally:
            try:
                second.rollback()
            except DBAPIError:
                second.invalidate()
            finally:
                second.close()


class _Lock:
    """The lock on the second connection."""

    def __init__(
        self, second: Connection, first: Connection, wait: float, reporter: Reporter
    ) -> None:
        self._second = second
        self._first = first
        self._wait = wait
        self._reporter = reporter

    def obtain(self) -> None:
        def attempt() -> bool:
            if self._second.scalar(_LOCK):
                return True
            # Between two tries it keeps no server connection to itself.
            self._second.rollback()
            return False

        def found() -> Holder | None:
            seen = holder(self._second)
            self._second.rollback()
            return seen

        def tell(waited: float) -> None:
            self._reporter.tell(waiting("held", found(), waited))

        if not poll(attempt, wait=self._wait, tell=tell):
            raise LockNotObtained(not_obtained("held", found(), self._wait))

    def wait_for_earlier_run(self) -> None:
        def attempt() -> bool:
            free = bool(self._first.scalar(_FREE))
            self._first.rollback()
            return free

        def found() -> Holder | None:
            seen = holder(self._first, keys=(CONNECTION_ALIVE,))
            self._first.rollback()
            return seen

        def tell(waited: float) -> None:
            self._reporter.tell(waiting("left", found(), waited))

        if not poll(attempt, wait=self._wait, tell=tell):
            raise LockNotObtained(not_obtained("left", found(), self._wait))

    def show(self, migration: str) -> None:
        """Make sure that the lock is still held, and show others what runs; raises LockLost."""
        try:
            held = self._second.execute(_SHOW, {"name": holder_name(migration)}).first()
        except DBAPIError as error:
            raise _lost(first_line(error).rstrip(".")) from error
        if held is None:
            raise _lost("the server no longer lists the lock")


class PooledClaim:
    """Makes known, for each statement of a migration, that its connection is alive."""

    def __init__(self, connection: Connection, show: Callable[[str], None]) -> None:
        self._connection = connection
        self._show = show
        self._stem = ""
        self._claimed = False
        #: The name to go back to, while the connection has one that says what it does.
        self._own_name: str | None = None
        #: What each transaction gets as `lock_timeout`, in milliseconds; None leaves it alone.
        self.lock_timeout: str | None = None
        #: The backend of the transaction that is open; None outside of transactions.
        self.backend_pid: int | None = None

    def show(self, stem: str) -> None:
        """Make sure that the migration lock is still held, before a migration begins.

        Raises LockLost if it is not.
        """
        self._stem = stem
        self._show(stem)

    def cover(self, statement: str) -> None:
        """Claim for the statement that is about to be sent; one round trip for a transaction.

        Raises LockLost if another process has taken over.
        """
        dbapi: Any = self._connection.connection.dbapi_connection
        if dbapi.autocommit:
            self.backend_pid = None
            if self._own_name is None:
                self._own_name = str(self._connection.scalar(_OWN_NAME))
                self._connection.execute(_SET_NAME, {"name": UNLOCKED_NAME})
            # Else a successor could begin between two of these statements.
            self._show(self._stem)
            return
        if is_idle(dbapi):
            self._claimed = False
        if not (self._claimed or _MUST_BE_FIRST.match(statement)):
            self._claim()

    def settle(self) -> None:
        """Claim for the transaction of the record, and give the connection its own name back."""
        if self._own_name is not None:
            self._connection.execute(_SET_NAME, {"name": self._own_name})
            self._own_name = None
        self._claim()

    def _claim(self) -> None:
        row = self._connection.execute(_CLAIM, {"lock_timeout": self.lock_timeout or ""}).one()
        self.backend_pid = int(row[-1])
        if not row[0]:
            raise LockLost(
                "Another process has begun to migrate this database, so the connection that held "
                "the migration lock must have been cut. What was not committed yet is rolled back. "
                "Run the same command again."
            )
        self._claimed = True


@contextmanager
def _not_for_ever(
    connection: Connection, tell: Callable[[events.MigrationBlocked], None]
) -> Iterator[None]:
    """Watch the first statement of a connection, which a pooler may hold up.

    A pooler keeps it waiting for as long as all its server connections are taken, two minutes by
    default, and one of them is that of the run's own lock. `tell` is called from another thread.
    Raises LockNotObtained instead of the driver's error when the time is over; the connection is
    cut then.
    """
    watched = Watched(connection)
    answered, given_up = threading.Event(), threading.Event()

    def watch() -> None:
        if answered.wait(TELL_AFTER):
            return
        tell(
            events.MigrationBlocked(
                "The migration lock is held, but the first statement of the migrations has had no "
                f"answer for {duration(TELL_AFTER)}; the pool seems to be too small. {_MEND}."
            )
        )
        if not answered.wait(GIVE_UP_AFTER):
            given_up.set()
            watched.cut()

    thread = OwnThread(watch, name="bridge-queueing")
    thread.start()
    try:
        yield
    finally:
        answered.set()
        thread.join()
        # Whatever became of the statement: nobody but us has cut its connection.
        if given_up.is_set():
            raise LockNotObtained(
                "The migration lock was obtained, but the connection of the migrations had no "
                f"answer for {duration(TELL_AFTER + GIVE_UP_AFTER)}, so the pool seems to be too "
                f"small. Nothing was started. {_MEND}. Then run the same command again."
            )


def _lost(cause: str) -> LockLost:
    return LockLost(
        f"The connection that held the migration lock was cut ({cause}). No further "
        "migration was started; those already applied stay applied. Run the same command again."
    )
