"""The claim behind a pooler, where no lock outlives a transaction.

PgBouncer in transaction mode gives each transaction of a client any of its server connections, and
what stays on one is found there by the next client. So each transaction of a migration makes the
claim of bridge.locking.liveness anew. Statements outside of transactions cannot hold any lock;
their connection has a name instead, which PgBouncer keeps with the client, and which
bridge.locking.liveness looks for among the backends that work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text

from bridge.database.connection_state import is_idle
from bridge.errors import LockLost
from bridge.locking.holder import (
    CHECK_INTERVAL_CAN_BE_SET,
    CONNECTION_ALIVE,
    LOCK_CLASS,
    UNLOCKED_NAME,
)

#: What has to be the first statement of its transaction.
_MUST_BE_FIRST = re.compile(r"\s*SET\s+TRANSACTION\b", re.IGNORECASE)

# Tried and not waited for: who has it now has taken over, which it could not while the migration
# lock was held. The interval lets the server notice that the pooler has hung up. The limit for
# waits on locks comes along, since it has to be told each transaction, too.
_CLAIM = text(f"""
    SELECT pg_try_advisory_xact_lock(:lock_class, :connection_alive),
           CASE WHEN {CHECK_INTERVAL_CAN_BE_SET}
                THEN set_config('client_connection_check_interval', '2s', true) END,
           CASE WHEN :lock_timeout <> '' THEN set_config('lock_timeout', :lock_timeout, true) END,
           pg_backend_pid()
""").bindparams(lock_class=LOCK_CLASS, connection_alive=CONNECTION_ALIVE)

_OWN_NAME = text("SELECT current_setting('application_name')")
# For the session: a pooler that knows this parameter gives it to each server connection of ours.
_SET_NAME = text("SELECT set_config('application_name', :name, false)")


class PooledClaim:
    """Makes known, for each statement of a migration, that its connection is alive."""

    def __init__(self, connection: Connection, mark: Callable[[str], None]) -> None:
        self._connection = connection
        self._mark = mark
        self._stem = ""
        self._claimed = False
        #: The name to go back to, while the connection has one that says what it does.
        self._own_name: str | None = None
        #: What each transaction gets as `lock_timeout`, in milliseconds; None leaves it alone.
        self.lock_timeout: str | None = None
        #: The backend of the transaction that is open; None outside of transactions.
        self.backend_pid: int | None = None

    def may_begin(self, stem: str) -> None:
        """Make sure that the migration lock is still held, before a migration begins.

        Raises LockLost if it is not.
        """
        self._stem = stem
        self._mark(stem)

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
            self._mark(self._stem)
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
