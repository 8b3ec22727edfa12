"""Write Alembic's operations as the SQL statements that they would send.

Each operation is run against a context of Alembic's whose connection only keeps what it is given.
What they leave out is added: schemas and types that are not there, and those left over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Dialect, Insert, TextClause, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.schema import DDLElement
from sqlalchemy.types import TypeEngine

from bridge.alembic.autogenerate.catalog import Facts
from bridge.alembic.autogenerate.comparison import name_constraints
from bridge.alembic.autogenerate.dialect import OfflineDialect
from bridge.alembic.autogenerate.order import COMPARED, in_order
from bridge.alembic.autogenerate.python import Statement, escaped
from bridge.alembic.autogenerate.types import TYPE_DDL, around_of
from bridge.alembic.autogenerate.warnings import Notes
from bridge.errors import UsageError

#: A default as the database tells it: `'new'::mood`.
_CAST_CONSTANT = re.compile(r"('(?:[^']|'')*')::[^']+")


@dataclass(frozen=True)
class Both:
    """The statements of both directions."""

    upgrade: tuple[Statement, ...]
    downgrade: tuple[Statement, ...]


def statements_of(
    upgrade: Sequence[ops.MigrateOperation],
    downgrade: Sequence[ops.MigrateOperation],
    ctx: MigrationContext,
    facts: Facts,
) -> Both:
    """Return what these operations send, with what is missing around them.

    Raises UsageError for an operation that cannot be told without a database.
    """
    there, back = in_order(list(flattened(upgrade))), in_order(list(flattened(downgrade)))
    name_constraints((*there, *back))
    if not there and not back:
        return Both((), ())
    compiler = _Compiler(ctx, facts)
    around = around_of(there, compiler.dialect, facts)
    return Both(
        (
            *compiler.ddl(around.schemas_made, around.types_made),
            *compiler.statements(there),
            *compiler.ddl(around.types_left_over),
        ),
        (
            *compiler.ddl(around.types_restored),
            # What it creates was read from the database.
            *compiler.statements(back, texts_are_sql=True),
            *compiler.ddl(around.types_removed, around.schemas_removed),
        ),
    )


def flattened(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    """Return the operations themselves, without the containers that group them."""
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from flattened(operation.ops)
        else:
            yield operation


def type_changes(
    operations: Iterable[ops.MigrateOperation], dialect: Dialect
) -> Iterator[tuple[str, str]]:
    """Return the types of columns that change, old and new as in SQL."""
    for operation in flattened(operations):
        if isinstance(operation, ops.AlterColumnOp):
            change = _change(operation, dialect)
            if change is not None:
                yield change


def _change(operation: ops.AlterColumnOp, dialect: Dialect) -> tuple[str, str] | None:
    old, new = operation.existing_type, operation.modify_type
    if old is None or new is None:
        return None
    return _type_in_sql(old, dialect), _type_in_sql(new, dialect)


def _type_in_sql(type_: TypeEngine[Any], dialect: Dialect) -> str:
    # Beyond the type itself, `compile` may be given a class.
    instance = type_() if isinstance(type_, type) else type_
    return str(instance.compile(dialect=dialect))


class _Compiler:
    """An offline context, and what is sent to it."""

    def __init__(self, live: MigrationContext, facts: Facts) -> None:
        self._offline = OfflineDialect.like(live.dialect)
        self.dialect = self._offline.dialect
        self._facts = facts
        self._sent: list[str] = []
        opts = {name: value for name, value in live.opts.items() if name != "output_encoding"}
        context: Any = MigrationContext.configure(
            dialect=self.dialect, opts={**opts, "as_sql": True, "output_buffer": StringIO()}
        )
        # It sends to a connection, where its own text would change tabs inside constants.
        context.impl.as_sql = False
        context.connection = context.impl.connection = MockConnection(self.dialect, self._keep)
        self._operations = Operations(context)

    def _keep(self, construct: Any, parameters: Any) -> None:
        if parameters and isinstance(construct, Insert):
            for row in parameters:
                self._keep(construct.values(row), None)
            return
        if parameters:
            raise TypeError("it has parameters")
        # Those of a table's columns come with the table's event, or not at all: see `around_of`.
        if not isinstance(construct, TYPE_DDL):
            self._sent.append(self._compiled(construct))

    def _compiled(self, construct: Any) -> str:
        if isinstance(construct, str):
            construct = text(construct)
        binds = {} if isinstance(construct, DDLElement) else {"literal_binds": True}
        return str(construct.compile(dialect=self.dialect, compile_kwargs=binds))

    def ddl(self, *constructs: Iterable[DDLElement]) -> Iterator[Statement]:
        """Write the DDL of schemas and types."""
        for each in constructs:
            yield from (Statement(self._compiled(construct).strip()) for construct in each)

    def statements(
        self, operations: Sequence[ops.MigrateOperation], *, texts_are_sql: bool = False
    ) -> Iterator[Statement]:
        """Return the statements that these operations send."""
        notes = Notes.about(operations, self.dialect)
        for operation in operations:
            self._sent.clear()
            # A hook's own texts are those of `text()`, wherever they stand.
            self._offline.texts_are_sql = texts_are_sql and isinstance(operation, COMPARED)
            for step in self._steps(operation):
                self._invoke(step)
            for sql in filter(None, (sent.strip() for sent in self._sent)):
                yield Statement(sql, notes.of(operation, sql))

    def _invoke(self, operation: ops.MigrateOperation) -> None:
        try:
            self._operations.invoke(operation)
        except Exception as error:
            raise UsageError(
                f"The operation {type(operation).__name__} cannot be written as SQL: "
                f"{type(error).__name__}: {error}. Nothing was written. Write that part of the "
                "migration by hand, and leave the operation out with include_object, or with "
                "process_revision_directives in an env.py."
            ) from error

    def _steps(self, operation: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
        """Yield a change of type with what PostgreSQL wants around it; the rest as it is.

        A default keeps the old type, so that it cannot be converted, or a dump tells of it.
        """
        change = isinstance(operation, ops.AlterColumnOp) and _change(operation, self.dialect)
        if not change or not isinstance(operation, ops.AlterColumnOp):
            yield operation
            return
        if change in self._facts.need_using:
            column = self.dialect.identifier_preparer.quote(operation.column_name)
            operation.kw.setdefault("postgresql_using", f"{column}::{change[1]}")
        default = _default_in_sql(operation.existing_server_default)
        if default is None or _base(change[0]) == _base(change[1]):
            yield operation
            return
        yield _default_change(operation, None)
        wanted = operation.modify_server_default
        operation.modify_server_default = False
        yield operation
        operation.modify_server_default = wanted
        if wanted is not None:
            yield _default_change(operation, _as_text(default) if wanted is False else wanted)


def _default_change(operation: ops.AlterColumnOp, default: Any) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        modify_server_default=default,
    )


def _as_text(sql: str) -> TextClause:
    return text(escaped(sql) or sql)


def _default_in_sql(default: Any) -> str | None:
    """Return a default without a cast to the old type; None if it has none of its own."""
    arg = getattr(default, "arg", None)
    if arg is None:
        return None
    written = str(getattr(arg, "text", arg))
    if "nextval(" in written:
        return None
    constant = _CAST_CONSTANT.fullmatch(written)
    return constant[1] if constant else written


def _base(type_in_sql: str) -> str:
    """Return the type without its length: VARCHAR(50) becomes VARCHAR."""
    return re.sub(r"\(.*?\)", "", type_in_sql)
