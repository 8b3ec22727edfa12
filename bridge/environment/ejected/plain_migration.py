"""Let Alembic run migrations that were written as plain files; written by `eai migrate eject`.

Such a file has a function that takes a Session, or what `takes` names, and that commits for
itself. Alembic calls `upgrade()` without an argument, in a transaction of its own. New revisions
need nothing of this: write them with `op`, as `alembic revision` begins them.

What a commit of a file means:

- It is real. Alembic's pointer is written in the transaction that follows the last one. If that
  is cut off, the migration has run and Alembic does not know it.
- A file without a commit is in one transaction with the pointer.
- With `transaction="atomic"` a commit releases a savepoint: all of the file is in one transaction
  with the pointer.
- With `transaction="autocommit"` each statement is final at once.

It needs the env.py beside it, which commits at the end of each migration.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from alembic import op
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

#: Whether the Session flushes before each query.
AUTOFLUSH = False
#: What a file may set for its session, and the next one is not to meet.
PUT_BACK = ("role", "search_path", "lock_timeout", "statement_timeout")


def takes(
    argument: str, factory: str | None = None, *, transaction: str = "default"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make what Alembic calls, without an argument, of a function that takes one.

    It takes a "session", a "connection" or an "engine" of SQLAlchemy's, or psycopg2's "dbapi"
    connection or "cursor", of the class `factory` of `psycopg2.extras`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*given: Any) -> Any:
            if given:  # another function of the file calls it
                return function(*given)
            if op.get_context().as_sql:
                return _write(function, argument, transaction)
            with _transactions(argument, transaction) as connection:
                return _call(function, connection, argument, factory, transaction)

        return run

    return decorate


def irreversible(stem: str) -> NoReturn:
    """Refuse to take a migration back that says nothing about how."""
    raise CommandError(f"{stem} cannot be taken back: it has no downgrade. It was left as it is.")


@contextmanager
def _transactions(argument: str, transaction: str) -> Iterator[Connection]:
    """Give the connection of the migration, in the transactions that it is written for."""
    connection = op.get_bind()
    lent = bool(op.get_context().opts.get("callers_transaction"))
    if lent and (argument != "session" or transaction == "autocommit"):
        raise CommandError(
            "This migration commits for itself, and cannot be a part of the transaction in which "
            "the connection was handed in. Hand in an Engine."
        )
    before = _settings(connection)
    if not (lent or transaction == "atomic"):
        # Nothing was done in Alembic's transaction yet; the file begins its own.
        connection.commit()
    level = connection.get_execution_options().get("isolation_level")
    if transaction == "autocommit":
        connection.execution_options(isolation_level="AUTOCOMMIT")
    yield connection
    if connection.get_execution_options().get("isolation_level") != level:
        connection.commit()
        usual = level or connection.default_isolation_level or "READ COMMITTED"
        connection.execution_options(isolation_level=usual)
    for name, value in before.items():
        connection.execute(
            text("SELECT set_config(:name, :value, false)"), {"name": name, "value": value}
        )


def _settings(connection: Connection) -> dict[str, str]:
    found = connection.execute(
        text("SELECT name, current_setting(name) FROM unnest(CAST(:names AS text[])) AS name"),
        {"names": list(PUT_BACK)},
    )
    return {row.name: row.current_setting for row in found}


def _call(
    function: Callable[..., Any],
    connection: Connection,
    argument: str,
    factory: str | None,
    transaction: str,
) -> Any:
    driver: Any = connection.connection.dbapi_connection
    if argument == "session":
        with_savepoints = transaction == "atomic" or connection.in_transaction()
        session = _session_class()(
            bind=connection,
            autoflush=AUTOFLUSH,
            join_transaction_mode="create_savepoint" if with_savepoints else "control_fully",
        )
        function(session)
        # What it has left open is committed together with Alembic's pointer.
        return session.commit() if with_savepoints else session.flush()
    if argument == "connection":
        return function(connection)
    if argument == "engine":
        # Its connections are the migration's own.
        url = connection.engine.url
        return function(create_engine(url, creator=lambda: driver, poolclass=StaticPool))
    try:
        if argument == "dbapi":
            return function(driver)
        from psycopg2 import extras

        cursor_class = getattr(extras, factory or "", None)
        with driver.cursor(cursor_factory=cursor_class) as cursor:
            return function(cursor)
    finally:
        if not driver.closed and driver.autocommit:
            driver.autocommit = False


def _session_class() -> type[Session]:
    """Return SQLModel's Session where SQLModel is used, for its `exec`."""
    return getattr(sys.modules.get("sqlmodel"), "Session", Session)


def _write(function: Callable[..., Any], argument: str, transaction: str) -> None:
    """Write what a function sends, for `alembic upgrade --sql`."""
    if argument not in {"session", "connection"}:
        raise CommandError(f"What a function does with its {argument} cannot be written as SQL.")
    if transaction == "autocommit":
        with op.get_context().autocommit_block():
            function(_Script(commits=False))
    else:
        function(_Script(commits=transaction == "default"))


class _Script:
    """Stands for a Session or a Connection: writes each statement, and has no rows."""

    def __init__(self, *, commits: bool) -> None:
        self._commits = commits
        self._committed = False

    def execute(self, statement: Any, parameters: Any = None, **_options: Any) -> _NoRows:
        """Write a statement, once for each set of parameters."""
        if self._committed:
            self._committed = False
            op.get_context().impl.emit_commit()
            op.get_context().impl.emit_begin()
        sets = parameters if isinstance(parameters, list) else [parameters]
        for each in sets:
            if not each:
                op.execute(statement)
            elif hasattr(statement, "bindparams"):  # text()
                op.execute(statement.bindparams(**each))
            else:
                op.execute(statement.values(each))
        return _NoRows()

    def commit(self) -> None:
        """Write a COMMIT if something comes after it; the last one is Alembic's."""
        self._committed = self._commits

    def flush(self) -> None:
        """Do nothing: there are no objects."""

    close = flush

    def __getattr__(self, name: str) -> NoReturn:
        raise CommandError(f"{name}() of a migration cannot be written as SQL: it needs a database")


class _NoRows:
    """The result of a statement that was only written."""

    def __getattr__(self, name: str) -> NoReturn:
        raise CommandError(
            f"A migration reads rows, {name}, which needs a database: not with --sql"
        )

    def __iter__(self) -> NoReturn:
        self.__getattr__("in a loop")
