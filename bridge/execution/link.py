"""The connection of one migration: whether it is still there, and who has ended it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as plain_cursor

from bridge.database.connection_state import has_hung_up
from bridge.database.driver import plain
from bridge.database.driver_errors import ends_session
from bridge.errors import MigrationError
from bridge.execution.advice import CLOSED, GONE_ON

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Link:
    """A Connection, and the connection of the driver's that it had when the migration began."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        #: The driver's connection, whose guard this is, and the same without a guard.
        self.dbapi: Any = connection.connection.dbapi_connection
        self.real: Any = plain(self.dbapi)
        #: Whether the file has closed it.
        self.closed_by_file = False
        self._cut = False

    @property
    def gone(self) -> bool:
        """Whether it is closed, or another one has taken its place."""
        if self.real.closed or self.connection.closed or self.connection.invalidated:
            return True
        return self.connection.connection.dbapi_connection is not self.dbapi

    @property
    def broken(self) -> bool:
        """Whether it broke, rather than that the file closed it."""
        return self._cut or (self.gone and not self.closed_by_file)

    def see_close(self) -> None:
        """Note that the file is about to close it."""
        self.closed_by_file |= not self.broken

    def see_end(self, error: BaseException) -> None:
        """Note what an error says of it."""
        self._cut |= ends_session(error) and not self.closed_by_file

    def refuse_gone(self) -> None:
        """Raise MigrationError if the session has ended, also if nothing was sent since then.

        With it the migration lock is gone, and somebody else may begin.
        """
        with suppress(Exception):  # of a connection that is closed at this moment
            self._cut |= has_hung_up(self.real) and not self.closed_by_file
        if self._cut or self.gone:
            raise MigrationError(GONE_ON if self.broken else CLOSED)

    def run(self, statement: str) -> Any:
        """Send a text of bridge's own past the guard; returns the last row, if there is one."""
        with self.real.cursor(cursor_factory=plain_cursor) as cursor:
            cursor.execute(statement)
            return cursor.fetchone() if cursor.description else None
