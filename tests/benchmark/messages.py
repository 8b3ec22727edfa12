"""What a run of bridge sends and reads, done again by bare psycopg2.

Which is the least that its promises take, whatever library is or is not between: the lock, what is
looked at once it is held, the record, and reading the files that were applied.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stand for the driver's own messages.
COMMIT, ROLLBACK = "COMMIT", "ROLLBACK"


@dataclass
class Messages:
    """The messages of one run, in their order."""

    #: By the number of their connection, each with whether that was in autocommit.
    sent: list[tuple[int, str, bool]] = field(default_factory=list)

    def send(self, dsn: str, folder: str) -> None:
        """Send them all, and read and hash all files once."""
        connections: dict[int, Any] = {}
        for number, message, autocommit in self.sent:
            if number not in connections:
                connections[number] = psycopg2.connect(dsn)
            _send(connections[number], message, autocommit=autocommit)
        for connection in connections.values():
            connection.close()
        with os.scandir(folder) as entries:
            paths = sorted(entry.path for entry in entries)
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            hashlib.sha256(os.read(descriptor, 1 << 16)).hexdigest()
            os.close(descriptor)


def _send(connection: Any, message: str, *, autocommit: bool) -> None:
    if message == COMMIT:
        connection.commit()
        return
    if message == ROLLBACK:
        connection.rollback()
        return
    if connection.autocommit != autocommit:
        connection.autocommit = autocommit
    with connection.cursor() as cursor:
        cursor.execute(message)
        if cursor.description:
            cursor.fetchall()


@contextmanager
def noted() -> Iterator[Messages]:
    """What is sent inside over connections that are made inside."""
    noted = Messages()
    made: list[Any] = []

    def number(connection: Any) -> int:
        return next(place for place, each in enumerate(made) if each is connection)

    class NotingCursor(psycopg2.extensions.cursor):  # type: ignore[misc]
        def execute(self, query: Any, values: Any = None) -> None:
            text = self.mogrify(query, values).decode()
            noted.sent.append((number(self.connection), text, self.connection.autocommit))
            super().execute(query, values)

    class NotingConnection(psycopg2.extensions.connection):  # type: ignore[misc]
        def commit(self) -> None:
            self._note(COMMIT)
            super().commit()

        def rollback(self) -> None:
            self._note(ROLLBACK)
            super().rollback()

        def _note(self, what: str) -> None:
            if self.info.transaction_status != TRANSACTION_STATUS_IDLE:
                noted.sent.append((number(self), what, False))

    connect = psycopg2.connect

    def connecting(*arguments: Any, **options: Any) -> Any:
        noting = {"connection_factory": NotingConnection, "cursor_factory": NotingCursor}
        made.append(connection := connect(*arguments, **options, **noting))
        return connection

    psycopg2.connect = connecting
    try:
        yield noted
    finally:
        psycopg2.connect = connect
