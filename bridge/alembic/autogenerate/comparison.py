"""Complete Alembic's comparison: defaults with an apostrophe, constraints without a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import literal, literal_column, select

#: How PostgreSQL ends the names it gives.
_ENDINGS = {ops.CreateForeignKeyOp: "fkey", ops.CreateUniqueConstraintOp: "key"}
#: The longest, in bytes. It shortens longer ones in a way that only it knows.
NAME_LIMIT = 63


def compare_defaults(ctx: MigrationContext) -> None:
    """Make this one context compare defaults with an apostrophe as well.

    Alembic writes the models' default between quotes as it is, and the server sees a syntax error.
    A function as the option ``compare_server_default`` will not do: Alembic cannot call one for
    an identity column.
    """
    original: Any = ctx.impl.compare_server_default

    def compare(inspected: Any, metadata: Any, wanted: str | None, found: str | None) -> bool:
        default = getattr(metadata.server_default, "arg", None)
        if found and isinstance(default, str) and "'" in default and ctx.connection is not None:
            same = select(literal_column(found) == literal(default))
            return not ctx.connection.scalar(same)
        return bool(original(inspected, metadata, wanted, found))

    ctx.impl.compare_server_default = compare  # type: ignore[method-assign]


def name_constraints(operations: Iterable[ops.MigrateOperation]) -> None:
    """Name what these operations add to, or drop from, tables that are there.

    PostgreSQL would give the same names, but a statement that drops a constraint has to say them.
    """
    for operation in operations:
        if isinstance(operation, (ops.CreateForeignKeyOp, ops.CreateUniqueConstraintOp)):
            operation.constraint_name = operation.constraint_name or _short(usual_name(operation))
        elif isinstance(operation, ops.DropConstraintOp) and operation.constraint_name is None:
            operation.constraint_name = _short(usual_name(_added(operation)))


def _added(dropped: ops.DropConstraintOp) -> ops.MigrateOperation | None:
    """Return the operation that would bring the constraint back; None if it is unknown."""
    try:
        return dropped.reverse()
    except ValueError:
        return None


def usual_name(added: ops.MigrateOperation | None) -> str | None:
    """Return the name that PostgreSQL gives to such a constraint, before it shortens it."""
    if isinstance(added, ops.CreateForeignKeyOp):
        table, columns = added.source_table, added.local_cols
    elif isinstance(added, ops.CreateUniqueConstraintOp):
        table, columns = added.table_name, [str(each) for each in added.columns]
    else:
        return None
    return "_".join([table, *columns, _ENDINGS[type(added)]])


def _short(name: str | None) -> str | None:
    return name if name and len(name.encode()) <= NAME_LIMIT else None
