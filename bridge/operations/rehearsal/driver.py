"""A connection to rehearse on: while it is guarded, not even its driver can commit it.

SQLAlchemy's ways to commit are refused by the mode that a rehearsed file runs in. A file can get
at the driver's connection below it, too.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import psycopg2.extensions
from sqlalchemy import URL, Connection, Engine, event

from bridge.database.engine import make_engine
from bridge.database.sql_text import ends_transaction
from bridge.errors import MigrationError

_REFUSED = (
    "This file tried to end that transaction by itself, through the driver. A rehearsal commits "
    "nothing."
)


class RehearsalCursor(psycopg2.extensions.cursor):  # type: ignore[misc]
    """A cursor of the driver's that sends no COMMIT as text."""

    def execute(self, query: Any, parameters: Any = None) -> None:
        """Execute as the driver does."""
        connection: Any = self.connection
        if connection.guarded and isinstance(query, str) and ends_transaction(query):
            raise MigrationError(_REFUSED)
        super().execute(query, parameters)


class RehearsalConnection(psycopg2.extensions.connection):  # type: ignore[misc]
    """A connection of the driver's; a guarded one only rolls back, and only for bridge."""

    guarded = False

    def commit(self) -> None:
        """Commit as the driver does, unless guarded."""
        if self.guarded:
            raise MigrationError(_REFUSED)
        super().commit()


def rehearsal_engine(url: URL) -> Engine:
    """Return an Engine whose connections can be guarded."""
    engine = make_engine(url)

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
        options["connection_factory"] = RehearsalConnection
        options["cursor_factory"] = RehearsalCursor

    return engine


class Guard:
    """Keeps a connection from committing, for the block."""

    def __init__(self, connection: Connection) -> None:
        self._dbapi: Any = connection.connection.dbapi_connection

    def __enter__(self) -> Self:
        self._dbapi.guarded = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dbapi.guarded = False
