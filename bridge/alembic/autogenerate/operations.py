"""Write Alembic's operations as the SQL statements that they would send.

What they leave out is added: schemas and types that are not there, and those left over. One that
cannot be written stops no other: a comment will stand in its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Dialect, TextClause, text
from sqlalchemy.schema import DDLElement
from sqlalchemy.types import TypeEngine

from bridge.alembic.autogenerate.capture import Capture, NoSqlError
from bridge.alembic.autogenerate.catalog import Facts, TypeName
from bridge.alembic.autogenerate.comparison import name_constraints
from bridge.alembic.autogenerate.extensions import Renderer, is_rendered_by_extension
from bridge.alembic.autogenerate.order import COMPARED, in_order, target_of
from bridge.alembic.autogenerate.python import Statement, Unwritten, escaped
from bridge.alembic.autogenerate.types import around_of
from bridge.alembic.autogenerate.warnings import Notes

#: A default as the database tells it: `'new'::mood`.
_CAST_CONSTANT = re.compile(r"('(?:[^']|'')*')::[^']+")
#: How much of an error's message a reason quotes, in characters.
_LONGEST = 200
_ESCAPED_TWICE = "Where \\: stands here, a colon alone may be meant: compare it with the database."

Part = Statement | Unwritten


@dataclass(frozen=True)
class Both:
    """The statements of both directions."""

    upgrade: tuple[Part, ...]
    downgrade: tuple[Part, ...]


def statements_of(
    upgrade: Sequence[ops.MigrateOperation],
    downgrade: Sequence[ops.MigrateOperation],
    ctx: MigrationContext,
    facts: Facts,
    *,
    imports: Collection[str] = (),
) -> Both:
    """Return what these operations send, with what is missing around them.

    `imports` are lines that a hook of the project has put into the file, for what it renders.
    """
    there, back = in_order(list(flattened(upgrade))), in_order(list(flattened(downgrade)))
    name_constraints((*there, *back))
    if not there and not back:
        return Both((), ())
    compiler = _Compiler(ctx, facts, imports)
    forth = tuple(compiler.parts(there))
    # What it creates was read from the database.
    reverse = tuple(compiler.parts(back, texts_are_sql=True))
    around = around_of(there, compiler.dialect, facts, elsewhere=compiler.types)
    return Both(
        (
            *compiler.ddl(around.schemas_made, around.types_made),
            *forth,
            *compiler.ddl(around.types_left_over),
        ),
        (
            *compiler.ddl(around.types_restored),
            *reverse,
            *compiler.ddl(around.types_removed, around.schemas_removed),
        ),
    )


def flattened(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    """Return the operations themselves, without the containers that group them."""
    for operation in operations:
        if isinstance(operation, ops.OpContainer) and not is_rendered_by_extension(operation):
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
    """Writes operations, one after the other."""

    def __init__(self, live: MigrationContext, facts: Facts, imports: Collection[str]) -> None:
        self._capture = Capture(live)
        self._renderer = Renderer(live, imports)
        self._facts = facts
        self.dialect = self._capture.dialect

    @property
    def types(self) -> set[TypeName]:
        """The enum types and domains that an operation makes or drops by itself."""
        return self._capture.types

    def ddl(self, *constructs: Iterable[DDLElement]) -> Iterator[Statement]:
        """Write the DDL of schemas and types."""
        for each in constructs:
            yield from (Statement(self._capture.compiled(ddl).strip()) for ddl in each)

    def parts(
        self, operations: Sequence[ops.MigrateOperation], *, texts_are_sql: bool = False
    ) -> Iterator[Part]:
        """Return the statements that these operations send, and which operations have none."""
        notes = Notes.about(operations, self.dialect)
        for operation in operations:
            try:
                statements = self._statements(operation, texts_are_sql=texts_are_sql)
            except Exception as error:  # noqa: BLE001 - of an extension's, it may be any
                yield Unwritten(_called(operation), _reason(error), self._source(operation))
            else:
                for sql, more in statements:
                    yield Statement(sql, (*notes.of(operation, sql), *more))

    def _statements(
        self, operation: ops.MigrateOperation, *, texts_are_sql: bool
    ) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return the SQL of each statement with the notes on it."""
        # A hook's own texts are those of `text()`, wherever they stand.
        compared = isinstance(operation, COMPARED)
        how = {"texts_are_sql": texts_are_sql and compared, "keeps_types": not compared}

        def invoke(operations: Operations) -> None:
            for step in self._steps(operation):
                operations.invoke(step)

        if not is_rendered_by_extension(operation):
            return [(sql, ()) for sql in self._capture.sent_by(invoke, **how)]

        def run(operations: Operations) -> None:
            for step in self._steps(operation):
                if is_rendered_by_extension(step):
                    self._renderer.run(self._renderer.source(step), operations)
                else:
                    operations.invoke(step)

        rendered = self._capture.sent_by(run, **{**how, "texts_are_sql": False})
        try:
            invoked = self._capture.sent_by(invoke, **how)
        except Exception:  # noqa: BLE001 - there may be no implementation, or one for a database
            invoked = ()
        # Some extensions escape colons for `text()` once more on their way through the file.
        if [_without_escapes(sql) for sql in rendered] == [*map(_without_escapes, invoked)]:
            rendered = invoked
        return [(sql, (_ESCAPED_TWICE,) if "\\:" in sql else ()) for sql in rendered]

    def _source(self, operation: ops.MigrateOperation) -> str:
        try:
            return self._renderer.source(operation)
        except Exception:  # noqa: BLE001 - nobody can render it, which is told as it is
            return ""

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
        changed, wanted = copy(operation), operation.modify_server_default
        changed.modify_server_default = False
        yield changed
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


def _without_escapes(sql: str) -> str:
    return sql.replace("\\:", ":")


def _called(operation: ops.MigrateOperation) -> str:
    table = target_of(operation)
    return f"{type(operation).__name__}{f' for {table}' if table else ''}"


def _reason(error: Exception) -> str:
    """Return why an operation has no SQL, as a part of a sentence."""
    if isinstance(error, ValueError) and str(error).startswith("no dispatch function"):
        return "nothing is registered that could render it or run it"
    if isinstance(error, NoSqlError):
        return str(error)
    words = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {words[:_LONGEST]}" if words else type(error).__name__
