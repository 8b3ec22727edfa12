"""Names for constraints that the models leave without one.

PostgreSQL would give them the same, but a statement that drops a constraint has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable

from alembic.operations import ops

#: How PostgreSQL ends the names it gives.
_ENDINGS = {ops.CreateForeignKeyOp: "fkey", ops.CreateUniqueConstraintOp: "key"}
#: It shortens longer ones, in bytes, in a way that only it knows.
_NAME_LIMIT = 63


def name_constraints(operations: Iterable[ops.MigrateOperation]) -> None:
    """Name what these operations add to, or drop from, tables that are there."""
    for operation in operations:
        if isinstance(operation, (ops.CreateForeignKeyOp, ops.CreateUniqueConstraintOp)):
            operation.constraint_name = operation.constraint_name or _usual_name(operation)
        elif isinstance(operation, ops.DropConstraintOp) and operation.constraint_name is None:
            operation.constraint_name = _usual_name(operation._reverse)  # noqa: SLF001


def _usual_name(added: ops.MigrateOperation | None) -> str | None:
    if isinstance(added, ops.CreateForeignKeyOp):
        table, columns = added.source_table, added.local_cols
    elif isinstance(added, ops.CreateUniqueConstraintOp):
        table, columns = added.table_name, [str(each) for each in added.columns]
    else:
        return None
    name = "_".join([table, *columns, _ENDINGS[type(added)]])
    return name if len(name.encode()) <= _NAME_LIMIT else None
