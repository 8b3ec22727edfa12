"""Sort Alembic's operations, so that no statement stands in the way of another.

Alembic drops tables before the foreign keys that refer to them, and in no certain order. Here
tables are created first, those that others refer to before the others; they are dropped last,
the other way round. Columns keep their order. An operation that is not of a comparison (a hook
has put it there) keeps its place, and nothing moves past it. Tables that refer to each other
stay a case for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from alembic.operations import ops
from sqlalchemy import ForeignKeyConstraint

#: What a comparison finds.
COMPARED = (
    ops.CreateTableOp,
    ops.DropTableOp,
    ops.AddColumnOp,
    ops.AlterColumnOp,
    ops.DropColumnOp,
    ops.AddConstraintOp,
    ops.DropConstraintOp,
    ops.CreateIndexOp,
    ops.DropIndexOp,
    ops.CreateTableCommentOp,
    ops.DropTableCommentOp,
)

_Table = TypeVar("_Table", ops.CreateTableOp, ops.DropTableOp)


def in_order(operations: Sequence[ops.MigrateOperation]) -> list[ops.MigrateOperation]:
    """Sort these operations, which are no containers, so that they can run."""
    ordered: list[ops.MigrateOperation] = []
    for compared, run in groupby(operations, lambda each: isinstance(each, COMPARED)):
        several = list(run)
        ordered += _ordered(several) if compared else several
    return ordered


def _ordered(run: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    created = [each for each in run if isinstance(each, ops.CreateTableOp)]
    dropped = [each for each in run if isinstance(each, ops.DropTableOp)]
    others = [each for each in run if not isinstance(each, (ops.CreateTableOp, ops.DropTableOp))]
    made, gone = set(map(_name, created)), set(map(_name, dropped))
    for table in _sorted(created, lambda one, left: not _referred(one) & left):
        yield table
        yield from (each for each in others if _target(each) == _name(table))
    for each in _columns_in_order(others):
        # The indexes of a table go with it.
        goes_with_table = isinstance(each, ops.DropIndexOp) and _target(each) in gone
        if _target(each) not in made and not goes_with_table:
            yield each
    referred = {_name(each): _referred(each) for each in dropped}
    yield from _sorted(
        sorted(dropped, key=_name),
        lambda one, left: all(_name(one) not in referred[name] for name in left),
    )


def _columns_in_order(others: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    """The columns of a table as they stand in it; dropped, so that the way back adds them so."""
    for (kind, _), run in groupby(others, lambda each: (type(each), _target(each))):
        if kind is ops.AddColumnOp:
            yield from sorted(run, key=_position)
        elif kind is ops.DropColumnOp:
            yield from sorted(run, key=_position, reverse=True)
        else:
            yield from run


def _position(operation: ops.MigrateOperation) -> int:
    """Return the position of the column in its table; 0 if it is unknown."""
    if isinstance(operation, ops.DropColumnOp):
        column: Any = operation.to_column()
    else:
        column = getattr(operation, "column", None)
    table = getattr(column, "table", None)
    return list(table.columns).index(column) if table is not None else 0


def _sorted(
    tables: Sequence[_Table], may_go: Callable[[_Table, set[str]], bool]
) -> Iterator[_Table]:
    """Sort the tables, so that each comes after those it needs; of a circle, the first."""
    left = {_name(each): each for each in tables}
    while left:
        ready = (one for name, one in left.items() if may_go(one, left.keys() - {name}))
        yield left.pop(_name(next(ready, next(iter(left.values())))))


def _name(table: ops.CreateTableOp | ops.DropTableOp) -> str:
    return f"{table.schema}.{table.table_name}" if table.schema else table.table_name


def _target(operation: ops.MigrateOperation) -> str | None:
    """Return the table that an operation is about."""
    name = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    schema = getattr(operation, "schema", None)
    return f"{schema}.{name}" if schema else name


def _referred(table: ops.CreateTableOp | ops.DropTableOp) -> set[str]:
    """Return the tables that this one's foreign keys refer to."""
    return {
        element.target_fullname.rpartition(".")[0]
        for constraint in table.to_table().constraints
        if isinstance(constraint, ForeignKeyConstraint)
        for element in constraint.elements
    }
