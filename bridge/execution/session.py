"""The Session that a migration gets, and the listeners to what it does.

What a commit means here is told in `bridge.execution.transaction`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction

from bridge.execution.transaction import PAY_EVERY, Work
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.engine.interfaces import CoreExecuteOptionsParameter

__all__ = ["MigrationSession", "Mode", "Watcher", "Work", "open_session"]


def _with_transaction_events(cls: type[MigrationSession]) -> type[MigrationSession]:
    """Listen once for all sessions: there is one for each migration."""
    event.listen(cls, "after_transaction_create", cls._begin_connection)
    event.listen(cls, "after_begin", cls._join)
    event.listen(cls, "before_commit", cls._check_commit)
    event.listen(cls, "after_commit", cls._owe_commit)
    return cls


@_with_transaction_events
class MigrationSession(Session):
    """An ordinary Session on the migration's connection, whose last commit waits for the record.

    ``join_transaction_mode="rollback_only"`` keeps SQLAlchemy from committing the Connection's
    transaction, while ``rollback()`` is passed on to it.
    """

    def __init__(self, work: Work, *, autoflush: bool) -> None:
        super().__init__(
            bind=work.connection, autoflush=autoflush, join_transaction_mode="rollback_only"
        )
        self._work = work
        self._joined = False
        self._isolated = False

    def connection(
        self,
        bind_arguments: Any = None,
        execution_options: CoreExecuteOptionsParameter | None = None,
    ) -> Connection:
        """Return the Connection; an isolation level may be set before the first statement."""
        self._work.hand_out()  # only a file calls this
        options = dict(execution_options or {})
        if "isolation_level" in options and not (self._joined and self.in_transaction()):
            self._isolate(options.pop("isolation_level"))
            self._work.forget_outside()
        return super().connection(bind_arguments, options)

    def rollback(self) -> None:
        """Roll back as every Session does, and what came by way of ``alembic.op`` as well."""
        super().rollback()
        self._drop()

    def close(self) -> None:
        """Roll back what was not committed, as every Session does."""
        super().close()
        self._drop()

    def reset(self) -> None:
        """Roll back what was not committed, as every Session does."""
        super().reset()
        self._drop()

    def _drop(self) -> None:
        # Where a commit is owed, nothing came after it.
        if self._work.connection.in_transaction() and not self._work.owes_commit:
            self._work.connection.rollback()

    def _isolate(self, level: Any) -> None:
        """Set another isolation level, up to the end of the transaction that is beginning."""
        if not self.in_transaction():
            self.begin()
        connection = self._work.connection
        connection.rollback()
        connection.execution_options(isolation_level=level)
        connection.begin()
        self._isolated = True

    def _begin_connection(self, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:
            return
        self._joined = False
        connection = self._work.connection
        if self._isolated:
            self._isolated = False
            connection.rollback()
            connection.execution_options(isolation_level=self._work.isolation_level)
        # Where the Connection is in no transaction, the Session would begin one of its own and
        # then commit it for real.
        if not connection.in_transaction():
            connection.begin()

    def _join(self, _transaction: Any, _connection: Any) -> None:
        self._joined = True

    def _check_commit(self) -> None:
        if self.in_nested_transaction():
            return
        self.flush()
        self._work.check_commit()

    def _owe_commit(self) -> None:
        if not self.in_nested_transaction():
            self._work.owe_commit()


def open_session(work: Work, *, autoflush: bool) -> Session:
    """Return the Session for a migration in this mode, on a connection of its own."""
    if work.mode is Mode.ATOMIC:
        return Session(
            bind=work.connection, autoflush=autoflush, join_transaction_mode="create_savepoint"
        )
    return MigrationSession(work, autoflush=autoflush)


class Watcher:
    """Listens to every SQLAlchemy connection of this process, for the migration that runs now."""

    def __init__(self, show: Callable[[], None] = lambda: None) -> None:
        """`show` is called from another thread, now and then, while a migration runs."""
        self.work: Work | None = None
        self._show = show

    @contextmanager
    def listening(self) -> Iterator[Watcher]:
        """Listen from here to the end of the block."""
        listeners: dict[str, Callable[..., Any]] = {
            "before_execute": self._before_execute,
            "before_cursor_execute": self._before_cursor_execute,
            "after_cursor_execute": self._after_cursor_execute,
            "handle_error": self._handle_error,
            "commit": self._commit,
            "rollback": self._rollback,
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        over = threading.Event()
        payer = threading.Thread(target=self._pay, args=(over,), name="bridge-pays", daemon=True)
        payer.start()
        try:
            yield self
        finally:
            self.work = None
            over.set()
            payer.join()
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)

    def _pay(self, over: threading.Event) -> None:
        # A thread for the whole run: making one for each commit takes longer than a commit.
        while not over.wait(PAY_EVERY):
            work = self.work
            if work is not None:
                work.pay_if_due()
                self._show()

    def _before_execute(self, conn: Any, _element: Any, _many: Any, _one: Any, _opts: Any) -> None:
        # A server-side cursor does not survive a COMMIT, and the next event comes after it is made.
        if self.work is not None:
            self.work.before_cursor(conn)

    def _before_cursor_execute(
        self, conn: Any, _cursor: Any, statement: Any, parameters: Any, _ctx: Any, _many: Any
    ) -> None:
        if self.work is not None:
            self.work.before_statement(conn, statement, parameters)

    def _after_cursor_execute(
        self, conn: Any, _cursor: Any, statement: Any, parameters: Any, _ctx: Any, _many: Any
    ) -> None:
        if self.work is not None:
            self.work.after_statement(conn, statement, parameters)

    def _handle_error(self, context: ExceptionContext) -> None:
        if self.work is not None:
            self.work.on_error(context)

    def _commit(self, conn: Any) -> None:
        if self.work is not None:
            self.work.before_commit(conn)

    def _rollback(self, conn: Any) -> None:
        if self.work is not None:
            self.work.before_rollback(conn)
