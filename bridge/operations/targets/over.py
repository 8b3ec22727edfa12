"""Ask over one connection, with limits for how long that may take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bridge.database.sending import send
from bridge.ledger.other_tables import undone

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Seconds that a statement waits for a lock, and that one may take.
LOCK_TIMEOUT, _STATEMENT_TIMEOUT = 2.0, 60.0

_LIMITS = (
    f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT * 1000)}",
    f"SET LOCAL statement_timeout = {int(_STATEMENT_TIMEOUT * 1000)}",
)


class LostError(Exception):
    """The connection was lost."""


class Over:
    """The one connection; what is done in a transaction of the caller's is undone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._external = connection.in_transaction()

    def check(self) -> None:
        """Raise LostError if it is lost."""
        connection = self._connection
        if connection.closed or connection.invalidated:
            raise LostError
        driver: Any = connection.connection.dbapi_connection
        if driver.closed:
            connection.invalidate()
            raise LostError

    def ask(self, question: str) -> Sequence[Any]:
        """Send a query that waits and takes so long at most, and return its rows."""
        if self._external:
            with self.limited():
                return list(send(self._connection, question).all())
        try:
            return list(send(self._connection, *_LIMITS, question).all())
        finally:
            if not self._connection.invalidated:
                self._connection.rollback()

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Limit what waits in the caller's transaction, and undo what is done in it."""
        if not self._external:
            yield
            return
        with undone(self._connection):
            send(self._connection, *_LIMITS)
            yield
