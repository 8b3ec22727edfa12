"""SQLAlchemy's own Session, Connection and Engine, on the one connection of a migration.

As with every Session on an Engine, each of its transactions has a Connection of its own, so that
execution options end with it.
"""

from __future__ import annotations

import itertools
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, StaticPool

from bridge.database.connection_state import is_idle
from bridge.database.own_connection import Beside, Lent
from bridge.database.sql_text import as_text, ends_transaction
from bridge.errors import MigrationError
from bridge.execution.savepoint import Savepoint
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine.interfaces import CoreExecuteOptionsParameter

    from bridge.database.driver import Call
    from bridge.execution.work import Work

__all__ = ["FileConnection", "FileSession", "OwnEngine", "session_class"]


class Transactions(Protocol):
    """What came to the connection by another way than the Session's own."""

    def settle(self) -> None:
        """Commit it."""

    def drop_others(self) -> None:
        """Roll it back."""


class _EndsOthersToo:
    """What a file ends a transaction with: it ends what came by way of ``alembic.op`` as well."""

    _transactions: Transactions

    def commit(self) -> None:
        """Commit as SQLAlchemy's own does."""
        super().commit()  # type: ignore[misc]
        self._transactions.settle()

    def rollback(self) -> None:
        """Roll back as SQLAlchemy's own does."""
        super().rollback()  # type: ignore[misc]
        self._transactions.drop_others()

    def close(self) -> None:
        """Roll back what was not committed, as SQLAlchemy's own does."""
        super().close()  # type: ignore[misc]
        self._transactions.drop_others()


class FileSession(_EndsOthersToo, Session):
    """An ordinary Session, whose owner gets another Engine from it than it uses itself.

    `files` returns that.
    """

    def __init__(
        self,
        transactions: Transactions,
        own: Engine,
        files: Callable[[], Engine],
        *,
        autoflush: bool,
    ) -> None:
        self._own, self._files, self._transactions = own, files, transactions
        super().__init__(bind=own, autoflush=autoflush)

    @property
    def bind(self) -> Any:
        """The Engine for whoever asks for one."""
        return self._files()

    @bind.setter
    def bind(self, _bind: Any) -> None:
        """Do nothing: a Session sets it when it is made."""

    def get_bind(self, mapper: Any = None, **arguments: Any) -> Any:
        """Return the Engine; SQLAlchemy itself asks with arguments."""
        if (bind := arguments.get("bind")) is not None:
            return bind
        asked = mapper is not None or any(value is not None for value in arguments.values())
        return self._own if asked else self._files()

    def connection(
        self,
        bind_arguments: Any = None,
        execution_options: CoreExecuteOptionsParameter | None = None,
    ) -> Connection:
        """Return the Connection of this transaction."""
        return super().connection({"bind": self._own, **(bind_arguments or {})}, execution_options)

    def reset(self) -> None:
        """Roll back what was not committed, as every Session does."""
        super().reset()
        self._transactions.drop_others()


def session_class() -> type[FileSession]:
    """Return the class of a migration's Session, which has `exec` where SQLModel is used."""
    sqlmodels = getattr(sys.modules.get("sqlmodel"), "Session", None)
    if sqlmodels is None:
        return FileSession
    # SQLModel warns of these two, which an ordinary file calls.
    ordinary = {"query": Session.query, "execute": Session.execute}
    return type("FileSession", (FileSession, sqlmodels), ordinary)


class FileConnection(_EndsOthersToo, Connection):
    """A Connection that a migration gets in place of a Session."""

    def __init__(self, engine: OwnEngine, connection: Any) -> None:
        self._transactions = engine.work
        super().__init__(engine, connection)


class _FileEngine(Beside):
    """What a file gets as its Engine: all that is done with it is in the migration's transaction.

    A Connection of it that is closed without a commit goes back to where it began.
    """

    def connect(self) -> Connection:
        """Return a Connection on the migration's own."""
        return Connection(self, self.pool.connect())

    def raw_connection(self) -> NoReturn:
        """Refuse: what the driver would do there has no place in the transaction."""
        raise MigrationError(
            "db.get_bind().raw_connection() would be a second connection, outside of this "
            "migration's transaction. Use db.connection().connection, which is the same as the "
            "Session's; or create_engine(db.get_bind().url), if a second one is meant."
        )

    def dispose(self, _close: bool = True) -> NoReturn:  # noqa: FBT001, FBT002 - SQLAlchemy's
        """Refuse: there is one connection, which the migration still needs."""
        raise MigrationError(
            "db.get_bind() is the Engine of this migration's own connection, which it still "
            "needs. Leave dispose() out."
        )


class OwnEngine(Beside):
    """What the Sessions of a run use, and what a migration gets that takes an Engine.

    Its transactions are the migration's own. One Connection has them; what is lent beside that is
    a part of its transaction. Like a team's own Engine it serves one file after the other: to make
    one takes as long as some statements.
    """

    #: The migration that runs.
    work: Work

    def __init__(self, connection: Connection) -> None:
        """`connection` is the one of the run."""
        engine = connection.engine
        self._options = {**connection.get_execution_options()}
        self._options.pop("isolation_level", None)  # the driver has been told
        pool = StaticPool(self._only, reset_on_return=None, dialect=engine.dialect)
        # What a cursor of the driver's has left is nobody's, as at each return to a pool.
        event.listen(pool, "reset", lambda *_: self.work.drop())
        super().__init__(engine, pool, self._options)
        self._engine = engine
        self._lent: Connection | None = None
        #: Whether the Engine asks for AUTOCOMMIT on each of its Connections.
        self._asks_for_autocommit = False

    def serve(self, work: Work) -> None:
        """Be this migration's from now on."""
        self.work, self._lent, self._asks_for_autocommit = work, None, False
        vars(self).pop("files", None)

    def _only(self) -> Any:
        self.work.refuse_gone()
        return self.work.dbapi

    @cached_property
    def files(self) -> Engine:
        """What `get_bind` gives; few files ask."""
        work = self.work
        numbers = itertools.count(1)

        def lend() -> Lent:
            return Lent(work.dbapi, _Nested(work, next(numbers)))

        pool = NullPool(lend, reset_on_return=None, dialect=self._engine.dialect)
        return _FileEngine(self._engine, pool, self._options)

    def connect(self, cls: type[Connection] = Connection) -> Connection:
        """Return a Connection on the migration's own, for one transaction.

        While there is one, the file asks for another.
        """
        if self._lent is not None and not self._lent.closed:
            return self.files.connect()
        before = bool(self.work.real.autocommit)
        first = self._lent is None
        self._lent = connection = cls(self, self.pool.connect())
        if first:
            self._asks_for_autocommit = bool(self.work.real.autocommit) and not before
        outside = self.work.mode is Mode.AUTOCOMMIT
        if outside and not self.work.real.autocommit:
            # Another level was for one transaction.
            self.work.pay()
            if is_idle(self.work.real):
                self.work.real.autocommit = True
        elif self.work.real.autocommit and not outside and (first or self._asks_for_autocommit):
            # An Engine may ask for AUTOCOMMIT on each of its Connections, which would part the
            # migration from its record. What a file has left on stays on, as in any pool.
            connection.execution_options(isolation_level="READ COMMITTED")
        return connection

    def raw_connection(self) -> NoReturn:
        """Refuse: what the driver would do there has no place beside its transactions."""
        raise MigrationError(
            "engine.raw_connection() would be a second connection, outside of this migration's "
            "transactions. Use engine.connect().connection, which is the migration's own; or "
            "create_engine(engine.url), if a second one is meant."
        )

    def dispose(self, _close: bool = True) -> NoReturn:  # noqa: FBT001, FBT002 - SQLAlchemy's
        """Refuse: there is one connection, which the migration still needs."""
        raise MigrationError(
            "This Engine is that of the migration's own connection, which it still needs. Leave "
            "dispose() out."
        )


class _Nested:
    """The guard of what the file's Engine lends: a savepoint in the migration's transaction."""

    def __init__(self, work: Work, number: int) -> None:
        self._work = work
        self._savepoint = Savepoint(work.run, lambda: work.transactions, f"bridge_{number}")
        self.pay, self.blind, self.name_cursor = work.pay, work.blind, work.name_cursor
        self.word = work.word

    def change(self, what: str) -> None:
        """Refuse it."""
        raise MigrationError(
            f"A connection of db.get_bind() is in the transaction of this migration, and {what} "
            "would end that. Set it with db.connection(execution_options=...) before the first "
            'statement, or write transaction = "autocommit" at the top of the file.'
        )

    def reset(self) -> None:
        """Refuse it."""
        self.change("reset")

    def isolate(self, _level: Any) -> None:
        """Refuse it."""
        self.change("an isolation level")

    def commit(self) -> None:
        """Keep what was done, as a part of the migration's transaction."""
        self._savepoint.release(check=False)
        self._work.by_others = True

    def rollback(self) -> None:
        """Go back to where it began."""
        self._savepoint.back()

    def send(self, call: Call, statement: Any, parameters: Any) -> Any:
        """Send a statement within the savepoint."""
        if statement is not None and ends_transaction(as_text(statement) or ""):
            self.change("a COMMIT or ROLLBACK as text")

        def send_within() -> Any:
            with self._work.quietly():
                if not self._work.each_is_final():
                    self._savepoint.set()
                return call()

        return self._work.send(send_within, statement, parameters)
