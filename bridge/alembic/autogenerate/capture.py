"""Run operations of Alembic's against a connection that only keeps what it is given, as SQL."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext
from io import StringIO
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Insert, TextClause, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import DDLElement

from bridge.alembic.autogenerate.dialect import OfflineDialect
from bridge.alembic.autogenerate.types import TYPE_DDL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Dialect

    from bridge.alembic.autogenerate.catalog import TypeName

#: How much of a statement a reason quotes, in characters.
_LONGEST = 60


class NoSqlError(Exception):
    """An operation cannot be written as SQL, for the reason that is said."""


class _NotThereError(NoSqlError, AttributeError):
    """What only a real connection has."""


class _Connection(MockConnection):
    """Keeps what it is given, and has no other use."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _NotThereError(f"it needs {name} of a connection to a database")


class Capture:
    """An offline context, and what is sent to it."""

    def __init__(self, live: MigrationContext) -> None:
        self._offline = OfflineDialect.like(live.dialect)
        self._sent: list[str] = []
        self._keeps_types = False
        #: The enum types and domains that were made or dropped by a statement that was kept.
        self.types: set[TypeName] = set()
        opts = {name: value for name, value in live.opts.items() if name != "output_encoding"}
        context: Any = MigrationContext.configure(
            dialect=self.dialect, opts={**opts, "as_sql": True, "output_buffer": StringIO()}
        )
        # It sends to a connection, where its own text would change tabs inside constants.
        context.impl.as_sql = False
        context.connection = context.impl.connection = _Connection(self.dialect, self._keep)
        # What has to be outside of a transaction is known by its words.
        context.autocommit_block = nullcontext
        self._context = context

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database, which sends nothing."""
        return self._offline.dialect

    def sent_by(
        self,
        act: Callable[[Operations], object],
        *,
        texts_are_sql: bool = False,
        keeps_types: bool = False,
    ) -> tuple[str, ...]:
        """Return the SQL of what this sends; raises what it raises.

        `texts_are_sql`: texts in it are SQL to the letter, and not what `text()` takes. Without
        `keeps_types` DDL of types is left out, which comes with a table's event, or not at all.
        """
        self._sent, before = [], set(self.types)
        self._offline.texts_are_sql, self._keeps_types = texts_are_sql, keeps_types
        with Operations.context(self._context) as operations, _without_mysql_s_warning():
            failed: Exception | None = None
            try:
                act(operations)
            except Exception as error:  # noqa: BLE001 - Alembic's block wants to end in any case
                failed = error
        if failed is not None:
            self.types = before
            raise failed
        return tuple(filter(None, (sql.strip() for sql in self._sent)))

    def compiled(self, construct: Any) -> str:
        """Return the SQL of one statement."""
        if isinstance(construct, str):
            construct = text(construct)
        binds = {} if isinstance(construct, DDLElement) else {"literal_binds": True}
        return str(construct.compile(dialect=self.dialect, compile_kwargs=binds))

    def _keep(self, construct: Any, parameters: Any) -> _NoAnswer:
        if parameters and isinstance(construct, Insert):
            for row in parameters if isinstance(parameters, list) else [parameters]:
                self._keep(construct.values(row), None)
            return _NoAnswer("")
        if parameters and isinstance(construct, TextClause) and isinstance(parameters, dict):
            construct = construct.bindparams(**parameters)
        elif parameters:
            raise NoSqlError("it has parameters")
        if isinstance(construct, TYPE_DDL):
            if not self._keeps_types:
                return _NoAnswer("")
            type_: Any = construct.element
            schema = type_.schema or self.dialect.default_schema_name or "public"
            self.types.add((schema, str(type_.name)))
        self._sent.append(self.compiled(construct))
        return _NoAnswer(self._sent[-1])


@contextmanager
def _without_mysql_s_warning() -> Iterator[None]:
    """Leave out what Alembic says of a new type of any primary key, and only MySQL is about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="autoincrement and existing_autoincrement only")
        yield


class _NoAnswer:
    """What a statement answered: nobody knows."""

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __iter__(self) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()

    def _refuse(self) -> NoReturn:
        words = " ".join(self._sql.split())
        words = f"{words[:_LONGEST]}..." if len(words) > _LONGEST else words
        raise NoSqlError(f"it reads what a statement answers ({words})")
