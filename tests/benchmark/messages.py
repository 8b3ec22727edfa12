"""What a run of bridge sends and reads, done again by bare psycopg2.

Which is the least that its promises take, whatever library is or is not between: the lock, what is
looked at once it is held, the record, and reading the files that were applied.
"""

from __future__ import annotations

import hashlib
import os
import re
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
    #: The backends of the connections, by their numbers: the lock's statement names its own.
    backends: list[int] = field(default_factory=list)

    def send(self, dsn: str, folder: str) -> None:
        """Send them all, and read and hash all files once."""
        connections: dict[int, Any] = {}
        for number, message, autocommit in self.sent:
            if number not in connections:
                connections[number] = psycopg2.connect(dsn)
            ours = str(connections[number].info.backend_pid)
            text = re.sub(rf"\b{self.backends[number]}\b", ours, message)
            _send(connections[number], text, autocommit=autocommit)
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


class _Noting:
    """What is sent now goes there; a module cannot be loaded anew with another class."""

    messages: Messages | None = None
    connections: list[Any]


class NotingCursor(psycopg2.extensions.cursor):  # type: ignore[misc]
    """Notes what it sends."""

    def execute(self, query: Any, values: Any = None) -> None:
        text = self.mogrify(query, values).decode()
        real: Any = getattr(self.connection, "plain", self.connection)
        _note(self.connection, text, autocommit=bool(real.autocommit))
        super().execute(query, values)


class NotingConnection(psycopg2.extensions.connection):  # type: ignore[misc]
    """Notes what ends its transactions."""

    def commit(self) -> None:
        _note_end(self, COMMIT)
        super().commit()

    def rollback(self) -> None:
        _note_end(self, ROLLBACK)
        super().rollback()


def _note(connection: Any, text: str, *, autocommit: bool) -> None:
    if _Noting.messages is not None:
        if not any(each is connection for each in _Noting.connections):
            _Noting.connections.append(connection)
            info = psycopg2.extensions.ConnectionInfo(connection)
            _Noting.messages.backends.append(info.backend_pid)
        number = next(n for n, each in enumerate(_Noting.connections) if each is connection)
        _Noting.messages.sent.append((number, text, autocommit))


def _note_end(connection: Any, what: str) -> None:
    info = psycopg2.extensions.ConnectionInfo(connection)
    if info.transaction_status != TRANSACTION_STATUS_IDLE:
        _note(connection, what, autocommit=False)


@contextmanager
def noted() -> Iterator[Messages]:
    """What is sent inside over connections that are made inside.

    To be called before bridge's own class of connections is loaded, which then is one of these.
    """
    names = {"connection": NotingConnection, "cursor": NotingCursor}
    before = {name: getattr(psycopg2.extensions, name) for name in names}
    connect = psycopg2.connect

    def connecting(*arguments: Any, **options: Any) -> Any:
        noting = {"connection_factory": NotingConnection, "cursor_factory": NotingCursor}
        return connect(*arguments, **{**noting, **options})

    _Noting.messages, _Noting.connections = Messages(), []
    for name, noting in names.items():
        setattr(psycopg2.extensions, name, noting)
    psycopg2.connect = connecting
    try:
        yield _Noting.messages
    finally:
        psycopg2.connect = connect
        for name, kept in before.items():
            setattr(psycopg2.extensions, name, kept)
        _Noting.messages = None
