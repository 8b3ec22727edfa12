"""Watch what a migration does beside its own connection, in this process.

A commit that is owed is sent before another connection of the file's looks: one that SQLAlchemy
has open already, or one that the file opens. Those of other threads are an application's own, and
have nothing to do with the file, unless the file has started them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

from bridge.database.connection_state import backend_pid
from bridge.database.driver import DriverConnection, StandIn
from bridge.database.driver_class import asking
from bridge.execution.transaction import PAY_EVERY
from bridge.execution.work import Work
from bridge.waiting import OwnThread

if TYPE_CHECKING:
    from bridge.database.driver import Call

__all__ = ["Watcher"]

#: What each dialect is about to do. To listen to Engines instead would have SQLAlchemy join the
#: listeners of each Connection, those of a file's Session among them, whose guard sees to it.
_EXECUTES = ("do_execute", "do_executemany", "do_execute_no_params")


class Watcher:
    """Watches the migrations of one run, one after the other."""

    def __init__(self) -> None:
        self._work: Work | None = None
        #: The threads of the file.
        self._its: set[threading.Thread] = set()

    @contextmanager
    def listening(self) -> Iterator[Watcher]:
        """Watch from here to the end of the block."""
        for name in _EXECUTES:
            event.listen(Engine, name, self._before_execute)
        over = threading.Event()
        payer = OwnThread(self._pay, over, name="bridge-pays")
        payer.start()
        try:
            with asking(self._connection_class), self._noting_threads():
                yield self
        finally:
            over.set()
            payer.join()
            for name in _EXECUTES:
                event.remove(Engine, name, self._before_execute)

    @contextmanager
    def watching(self, work: Work) -> Iterator[None]:
        """Watch this migration, and let it guard its connection, for the block."""
        self._its = {threading.current_thread()}
        self._work = work.dbapi.guard = work
        try:
            yield
        finally:
            self._work = work.dbapi.guard = None

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

    def _before_execute(self, _cursor: Any, statement: str, *rest: Any) -> None:
        """See a statement, the last of whose arguments is SQLAlchemy's context, and leave it be."""
        if (work := self._of_file()) is None:
            return
        connection = rest[-1].root_connection
        if connection is work.connection:
            work.by_others = True  # it is `alembic.op` that uses this one
        elif (dbapi := _unguarded(connection)) is not None:
            _see_beside(work, statement, dbapi)


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
        _see_beside(self._work, str(statement or ""), self._connection)
        return call()


def _see_beside(work: Work, statement: str, dbapi: Any) -> None:
    """Prepare for a statement on another connection of the driver's."""
    work.pay()
    work.refuse_gone()
    work.sent.own_locks.begins_beside(statement, dbapi)


def _unguarded(connection: Connection) -> Any:
    """Return the driver's connection; None where its guard sees to it, or it is no server's."""
    if connection.closed or connection.invalidated:
        return None
    # Behind what SQLAlchemy puts before one that is asynchronous.
    real: Any = connection.connection.driver_connection
    if isinstance(real, DriverConnection | StandIn) and real.guard is not None:
        return None
    return real if backend_pid(real) is not None else None
