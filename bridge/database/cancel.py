"""Cancel the running statement of a connection, from another thread.

psycopg2's own `cancel()` keeps the GIL for as long as the request is on its way: with a network
that answers nothing, or a pooler that queues the request, it stops every thread of the process.
So libpq, which psycopg2 has loaded, is called directly; where that cannot be done, psycopg2 is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
from functools import cache
from typing import Any

from bridge.database.connection_state import is_active

#: Bytes that libpq asks for its message.
MESSAGE_SIZE = 256


class Watched:
    """One connection whose statements can be cancelled: SQLAlchemy's, or the driver's own.

    To be made by the thread that uses the connection.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._current: Any = None
        self._handle: _Handle | None = None
        self._refresh()

    @property
    def closed(self) -> bool:
        """Whether nothing will run on it any more."""
        return bool(getattr(self._connection, "closed", False))

    def cancel(self) -> None:
        """Ask the server to cancel the running statement; an idle connection is unharmed."""
        # Closed meanwhile, or the server does not answer: others must be cancelled all the same,
        # and an exception would end the thread that tries again.
        with contextlib.suppress(Exception):
            current, handle = self._refresh()
            if handle is not None:
                handle.cancel()
            elif current is not None:
                current.cancel()

    def busy(self) -> bool:
        """Return whether it waits for the server to finish a statement."""
        with contextlib.suppress(Exception):
            return is_active(self._refresh()[0])
        return False

    def cut(self) -> None:
        """End the connection under whoever waits for it; the server rolls back by itself."""
        # A duplicate of the socket: closing it leaves libpq its own.
        with contextlib.suppress(Exception):
            duplicate = os.dup(self._refresh()[0].fileno())
            with socket.socket(fileno=duplicate) as ours:
                ours.shutdown(socket.SHUT_RDWR)

    def _refresh(self) -> tuple[Any, _Handle | None]:
        """Follow SQLAlchemy, which connects anew under a Connection that was invalidated."""
        current = self._connection
        # Whoever has a Connection has loaded SQLAlchemy; nobody else should have to.
        kind = getattr(sys.modules.get("sqlalchemy"), "Connection", None)
        if kind is not None and isinstance(current, kind):
            # The public property would connect by itself, in this thread.
            fairy = current._dbapi_connection  # noqa: SLF001
            current = None if fairy is None else fairy.dbapi_connection
        if current is not self._current:
            self._current, self._handle = current, _Handle.of(current)
        return self._current, self._handle


class _Handle:
    """libpq's PGcancel: a copy of the server's address and key, safe to use from any thread."""

    def __init__(self, libpq: _Libpq, pointer: int) -> None:
        self._libpq = libpq
        self._pointer = pointer

    @classmethod
    def of(cls, connection: Any) -> _Handle | None:
        """Return None where libpq cannot be reached, or the connection is not psycopg2's."""
        pgconn = getattr(connection, "pgconn_ptr", None)
        libpq = _libpq()
        if libpq is None or not pgconn:
            return None
        pointer = libpq.get(pgconn)
        return cls(libpq, pointer) if pointer else None

    def cancel(self) -> None:
        message = ctypes.create_string_buffer(MESSAGE_SIZE)
        self._libpq.send(self._pointer, message, MESSAGE_SIZE)

    def __del__(self) -> None:
        self._libpq.free(self._pointer)


class _Libpq:
    """The three functions of libpq, as psycopg2 has loaded it."""

    def __init__(self, path: str) -> None:
        # The two that only touch memory keep the GIL, so that nobody closes the connection
        # meanwhile; the one that talks to the server gives it up.
        quick, slow = ctypes.PyDLL(path), ctypes.CDLL(path)
        self.get = quick.PQgetCancel
        self.get.argtypes, self.get.restype = [ctypes.c_void_p], ctypes.c_void_p
        self.free = quick.PQfreeCancel
        self.free.argtypes, self.free.restype = [ctypes.c_void_p], None
        self.send = slow.PQcancel
        self.send.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]


@cache
def _libpq() -> _Libpq | None:
    try:
        from psycopg2 import _psycopg

        return _Libpq(_psycopg.__file__)
    except (ImportError, OSError, AttributeError):  # linked into the extension without its names
        return None
