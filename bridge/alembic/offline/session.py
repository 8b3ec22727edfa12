"""The Session of a migration while a script is written: a real one, on a stand-in driver.

A statement is written whether or not it has rows. To read what it answers is an error, because
an empty answer would make `if not exists: return` leave work out of the script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

import psycopg2
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.dml import Insert

from bridge.alembic.offline.driver import ScriptConnection
from bridge.execution.session import open_session
from bridge.execution.transaction import Mode

if TYPE_CHECKING:
    from bridge.execution.transaction import Work

#: What a file sees as its Engine's address, so that no Engine it makes from it goes anywhere.
_NOWHERE = URL.create("postgresql+psycopg2", host="no-database-while-a-script-is-written.invalid")


class ScriptResult:
    """What a statement answered: nobody knows."""

    def __init__(self, script: ScriptConnection, result: Any) -> None:
        self._script = script
        self._statement = str(result.context.statement)
        self._sent_at = script.line()
        # What the Session looks at after its own UPDATE: the statement, not the answer.
        self.context = result.context
        self.prefetch_cols = result.prefetch_cols
        self.postfetch_cols = result.postfetch_cols

    def close(self) -> None:
        """As of every result."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __iter__(self) -> NoReturn:
        self._script.refuse_reading(self._statement, self._sent_at)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._script.refuse_reading(self._statement, self._sent_at)


class OfflineConnection(Connection):
    """A Connection whose results cannot be read."""

    def __init__(self, script: ScriptConnection) -> None:
        super().__init__(_engine(script))
        self.script = script

    def execute(self, *arguments: Any, **options: Any) -> Any:
        """As every Connection's, apart from the result."""
        return self._unread(super().execute(*arguments, **options))

    def exec_driver_sql(self, *arguments: Any, **options: Any) -> Any:
        """As every Connection's, apart from the result."""
        return self._unread(super().exec_driver_sql(*arguments, **options))

    def scalar(self, *arguments: Any, **options: Any) -> Any:
        """Always an error, told with the line that asks."""
        return self.execute(*arguments, **options).scalar()

    def scalars(self, *arguments: Any, **options: Any) -> Any:
        """Always an error, told with the line that asks."""
        return self.execute(*arguments, **options).scalars()

    # The one place where ``create_all()`` and ``drop_all()`` say whether they look first.
    def _run_ddl_visitor(self, visitorcallable: Any, element: Any, **options: Any) -> None:
        if options.get("checkfirst"):
            self.script.refuse(
                "create_all(), drop_all(), create() and drop() ask the database what is there "
                "already, and while a script is written there is none to ask. Nothing was "
                "written. Pass checkfirst=False, or write the CREATE TABLE IF NOT EXISTS as text."
            )
        super()._run_ddl_visitor(visitorcallable, element, **options)

    def _unread(self, result: Any) -> ScriptResult:
        return ScriptResult(self.script, result)


@dataclass(frozen=True)
class ScriptWork:
    """Stands for `bridge.execution.transaction.Work`, as far as a migration's Session asks it."""

    connection: OfflineConnection
    mode: Mode
    isolation_level: str = "READ COMMITTED"

    @property
    def owes_commit(self) -> bool:
        """Whether the file has asked for a commit that is not written yet."""
        return self.connection.script.owes_commit

    def hand_out(self) -> None:
        """The file gets the Connection, so the commit is written before it goes on."""
        self.connection.script.pay_commit()

    def forget_outside(self) -> None:
        """Of a statement outside of transactions the driver's stand-in sees to that."""

    def check_commit(self) -> None:
        """The COMMIT of the script will check what it has to."""

    def owe_commit(self) -> None:
        """The file asks for a commit."""
        self.connection.script.commit()


def open_script_session(connection: OfflineConnection, mode: Mode, *, autoflush: bool) -> Session:
    """The Session for a migration that is written in this mode."""
    session = open_session(cast("Work", ScriptWork(connection, mode)), autoflush=autoflush)

    def refuse_object(_session: Session, instance: object) -> None:
        connection.script.refuse(
            f"an object ({type(instance).__name__}) is given to the Session, which can save it "
            "only in a database: the server makes up keys and defaults that it then reads. "
            "Nothing was written. Write it as INSERT, with db.execute()."
        )

    event.listen(session, "before_attach", refuse_object)
    return session


def _engine(script: ScriptConnection) -> Engine:
    dialect = PGDialect_psycopg2(dbapi=psycopg2)  # type: ignore[no-untyped-call]
    # SQLAlchemy asks the server when it connects; literals in DDL are written by this.
    dialect._backslash_escapes = False  # noqa: SLF001
    dialect.default_isolation_level = "READ COMMITTED"
    connections = [script]

    def connect() -> Any:
        if connections:
            return connections.pop()
        return script.refuse(
            "a second connection is opened, and while a script is written there is no database. "
            "Nothing was written. Use db.execute() or db.connection()."
        )

    # Not create_engine(), whose first connection begins with questions to the server.
    engine = Engine(NullPool(connect), dialect, _NOWHERE, hide_parameters=True)
    event.listen(engine, "before_execute", _inline, retval=True)
    return engine


def _inline(
    _connection: Any, statement: Any, many: Any, parameters: Any, _options: Any
) -> tuple[Any, Any, Any]:
    """Keep SQLAlchemy from fetching the keys that the server gives to rows nobody asked for."""
    return (statement.inline() if isinstance(statement, Insert) else statement), many, parameters
