"""Watch what a migration does beside its own connection, in this process.

A commit that is owed is sent before another connection of the file's looks: one that SQLAlchemy
has open already, or one that the file opens. Those of other threads are an application's own, and
have nothing to do with the file, unless the file has started them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

from bridge.database.driver import DriverConnection, StandIn
from bridge.database.driver_class import asking
from bridge.execution.transaction import PAY_EVERY
from bridge.execution.work import Work
from bridge.waiting import OwnThread

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

    from bridge.database.driver import Call

__all__ = ["Watcher"]


class Watcher:
    """Watches the migrations of one run, one after the other."""

    def __init__(self) -> None:
        self._work: Work | None = None
        #: The threads of the file.
        self._its: set[threading.Thread] = set()

    @contextmanager
    def listening(self) -> Iterator[Watcher]:
        """Watch from here to the end of the block."""
        listeners: dict[str, Callable[..., Any]] = {
            "before_cursor_execute": self._before_cursor_execute,
            "after_cursor_execute": self._after_cursor_execute,
            "handle_error": self._handle_error,
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        over = threading.Event()
        payer = OwnThread(self._pay, over, name="bridge-pays")
        payer.start()
        try:
            with asking(self._connection_class), self._noting_threads():
                yield self
        finally:
            over.set()
            payer.join()
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)

    @contextmanager
    def watching(self, work: Work) -> Iterator[None]:
        """Watch this migration, for the block."""
        self._its = {threading.current_thread()}
        self._work = work
        try:
            with work.guarding():
                yield
        finally:
            self._work = None

    def _pay(self, over: threading.Event) -> None:
        # A thread for the whole run: making one for each commit takes longer than a commit.
        while not over.wait(PAY_EVERY):
            if (work := self._work) is not None:
                work.tend()

    @contextmanager
    def _noting_threads(self) -> Iterator[None]:
        start = threading.Thread.start

        def noting(thread: threading.Thread) -> None:
            if threading.current_thread() in self._its and not isinstance(thread, OwnThread):
                self._its.add(thread)
            start(thread)

        threading.Thread.start = noting  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            threading.Thread.start = start  # type: ignore[method-assign]

    def _of_file(self) -> Work | None:
        """Return the migration that runs, if this thread is its."""
        work = self._work
        return work if work is not None and threading.current_thread() in self._its else None

    # Connections of the driver's.

    def _connection_class(self) -> Callable[..., Any] | None:
        """Return what makes a connection that the file opens; it may look at once."""
        if (work := self._of_file()) is None:
            return None
        work.pay()

        def make(*arguments: Any, **options: Any) -> DriverConnection:
            connection = DriverConnection(*arguments, **options)
            connection.guard = _Other(connection, work)
            return connection

        return make

    # Connections of SQLAlchemy's.

    def _before_cursor_execute(
        self, conn: Connection, _cursor: Any, statement: str, _values: Any, _ctx: Any, _many: Any
    ) -> None:
        if (work := self._of_file()) is None:
            return
        if conn is work.connection:
            work.by_others = True  # it is `alembic.op` that uses this one
        elif (pid := _pid_of_other(conn)) is not None:
            work.pay()
            work.refuse_gone()
            work.sent.own_locks.begins(pid, statement)

    def _after_cursor_execute(
        self, conn: Connection, _cursor: Any, _statement: Any, _values: Any, _ctx: Any, _many: Any
    ) -> None:
        if (work := self._of_file()) is not None and (pid := _pid_of_other(conn)) is not None:
            work.sent.own_locks.ends(pid)

    def _handle_error(self, context: ExceptionContext) -> None:
        if (work := self._of_file()) is None or context.connection is None:
            return
        if (pid := _pid_of_other(context.connection)) is not None:
            work.sent.own_locks.ends(pid)


class _Other:
    """The guard of another connection that a file has opened."""

    def __init__(self, connection: DriverConnection, work: Work) -> None:
        self._connection = connection
        self._work = work

    def pay(self) -> None:
        """Nothing is owed on this connection."""

    def change(self, what: str) -> None:
        """It may do what it likes."""

    def blind(self) -> None:
        """It may do what it likes."""

    def name_cursor(self) -> None:
        """It may do what it likes."""

    def reset(self) -> None:
        """Reset it."""
        self._connection.plain.reset()

    def word(self, statement: Any) -> Any:
        """Send what the file says."""
        return statement

    def isolate(self, level: Any) -> None:
        """It may do what it likes."""
        self._connection.plain.set_isolation_level(level)

    def commit(self) -> None:
        """Commit at once."""
        self._connection.plain.commit()

    def rollback(self) -> None:
        """Roll back."""
        self._connection.plain.rollback()

    def send(self, call: Call, statement: Any, _parameters: Any) -> Any:
        """Send a statement, which may look for what the migration has committed."""
        self._work.pay()
        self._work.refuse_gone()
        pid = self._connection.plain.info.backend_pid
        self._work.sent.own_locks.begins(pid, str(statement or ""))
        try:
            return call()
        finally:
            self._work.sent.own_locks.ends(pid)


def _pid_of_other(connection: Connection) -> int | None:
    """Return the backend of a connection that has no guard; None where the guard sees to it."""
    if connection.closed or connection.invalidated:
        return None
    dbapi: Any = connection.connection.dbapi_connection
    if isinstance(dbapi, DriverConnection | StandIn) and dbapi.guard is not None:
        return None
    with suppress(Exception):
        return int(dbapi.info.backend_pid)
    return None
