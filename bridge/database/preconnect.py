"""Open connections before an Engine asks for them.

To open one takes as long as a small migration does. So the connection over which a database was
asked whether anything is pending goes on to run what is, and the one that will hold the migration
lock is opened meanwhile. Nothing depends on it: SQLAlchemy opens what is not there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from bridge.database.connection_state import is_silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine


class Ahead:
    """Two connections of the driver's: one is open, one is being opened.

    Both are outside of a transaction. Whoever makes this closes it in the end, and the first one.
    """

    def __init__(self, connection: Any, connect: Callable[[], Any]) -> None:
        """`connect` opens the second one, in a thread.

        If that fails there is none, and who needs it will meet the same on its own.
        """
        self._first: Any = connection
        self._second: Any = None
        self._ready = self._in_turn()
        self._connect = connect
        self._closed = False
        self._changing = threading.Lock()
        # A daemon: at the end of a process nobody waits for a server that does not answer.
        self._opening = threading.Thread(target=self._open, name="bridge connects", daemon=True)
        self._opening.start()

    def serve(self, engine: Engine) -> None:
        """Let this Engine have both, then connect by itself.

        An Engine to whose connecting the program listens does so from the beginning: there the
        program may have another password to give, or another server.
        """
        from sqlalchemy import event

        if not engine.dialect.dispatch.do_connect:
            event.listen(engine, "do_connect", self._next)

    def close(self) -> None:
        """Close the second one, as soon as it is open."""
        with self._changing:
            self._closed = True
        if self._second is not None:
            self._second.close()

    def _next(self, *_arguments: Any) -> Any:
        """Return the next open connection; None where SQLAlchemy must make one."""
        connection = next(self._ready, None)
        # Idle while much was loaded, it may have been ended for that.
        if connection is None or not is_silent(connection):
            return None
        connection.autocommit = False
        return connection

    def _in_turn(self) -> Iterator[Any]:
        yield self._first
        self._opening.join()
        yield self._second

    def _open(self) -> None:
        try:
            connection = self._connect()
        except Exception:  # noqa: BLE001 - as `__init__` says
            return
        with self._changing:
            if not self._closed:
                self._second = connection
                return
        connection.close()
