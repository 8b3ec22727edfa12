"""The Session of a migration while a script is written: a real one, on a stand-in driver.

A statement is written whether or not it has rows. To read what it answers is an error, because
an empty answer would make `if not exists: return` leave work out of the script.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NoReturn, Self

import psycopg2
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.dialects.postgresql.base import PGInspector
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool, StaticPool
from sqlalchemy.sql.dml import Insert

from bridge.alembic.offline.driver import ScriptConnection
from bridge.execution.savepoint import Savepoint
from bridge.execution.session import session_class

if TYPE_CHECKING:
    from sqlalchemy.pool import Pool

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

    def __init__(self, engine: Engine, script: ScriptConnection) -> None:
        super().__init__(engine)
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
            self.script.refuse_looking(
                "create_all(), drop_all(), create() and drop() ask",
                "Pass checkfirst=False, or write the CREATE TABLE IF NOT EXISTS as text",
            )
        super()._run_ddl_visitor(visitorcallable, element, **options)

    def _unread(self, result: Any) -> ScriptResult:
        return ScriptResult(self.script, result)


class _ScriptEngine(Engine):
    """An Engine of which each Connection writes the script."""

    def __init__(self, script: ScriptConnection, pool: Pool) -> None:
        dialect = PGDialect_psycopg2(dbapi=psycopg2)  # type: ignore[no-untyped-call]
        # SQLAlchemy asks the server when it connects; literals in DDL are written by this.
        dialect._backslash_escapes = False  # noqa: SLF001
        dialect.default_isolation_level = "READ COMMITTED"
        dialect.inspector = _looking(script)
        # Not create_engine(), whose first connection begins with questions to the server.
        super().__init__(pool, dialect, _NOWHERE, hide_parameters=True)
        self._script = script
        event.listen(self, "before_execute", _inline, retval=True)

    def connect(self) -> OfflineConnection:
        """Return another Connection on the one script."""
        return OfflineConnection(self, self._script)


def _looking(script: ScriptConnection) -> type[PGInspector]:
    """Return what stands for the Inspector of `inspect()`: an error, with the line that asks."""

    class Looking(PGInspector):
        def __new__(cls, *_arguments: Any, **_options: Any) -> Self:
            script.refuse_looking(
                "inspect() asks", "Leave the decision to SQL (IF NOT EXISTS, a DO block)"
            )

    return Looking


class _Part:
    """The script in the hands of a Connection of the file's Engine: a savepoint of its own."""

    closed = 0

    def __init__(self, script: ScriptConnection, number: int) -> None:
        self._script = script
        self._savepoint = Savepoint(script.send, lambda: 0, f"bridge_{number}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._script, name)

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Return a cursor of the script's."""
        self._savepoint.set()
        return self._script.cursor(*arguments, **options)

    def commit(self) -> None:
        """Keep what was written, as a part of the migration's transaction."""
        self._savepoint.release(check=False)

    def rollback(self) -> None:
        """Go back to where it began."""
        self._savepoint.back()

    def close(self) -> None:
        """Go back to where it began, if nobody has committed."""
        self._savepoint.back()


class _Transactions:
    """What came to the script by another way than the Session's own."""

    def __init__(self, script: ScriptConnection) -> None:
        self.settle = script.commit
        self._script = script

    def drop_others(self) -> None:
        """Roll it back."""
        if not self._script.owes_commit:
            self._script.rollback()


def _engine(script: Any) -> _ScriptEngine:
    return _ScriptEngine(script, StaticPool(lambda: script, reset_on_return=None))


def script_connection(script: ScriptConnection) -> OfflineConnection:
    """Return a Connection that writes into this script."""
    return _engine(script).connect()


def open_script_session(script: ScriptConnection, *, autoflush: bool) -> Session:
    """Return the Session for a migration that is written."""
    own = _engine(script)
    numbers = itertools.count(1)
    files = _ScriptEngine(
        script, NullPool(lambda: _Part(script, next(numbers)), reset_on_return=None)
    )
    session = session_class()(_Transactions(script), own, lambda: files, autoflush=autoflush)

    def refuse_object(_session: Session, instance: object) -> None:
        script.refuse(
            f"an object ({type(instance).__name__}) is given to the Session, which can save it "
            "only in a database: the server makes up keys and defaults that it then reads. "
            "Nothing was written. Write it as INSERT, with db.execute()."
        )

    event.listen(session, "before_attach", refuse_object)
    return session


def _inline(
    _connection: Any, statement: Any, many: Any, parameters: Any, _options: Any
) -> tuple[Any, Any, Any]:
    """Keep SQLAlchemy from fetching the keys that the server gives to rows nobody asked for."""
    return (statement.inline() if isinstance(statement, Insert) else statement), many, parameters
