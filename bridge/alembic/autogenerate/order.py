"""Sort Alembic's operations, so that no statement stands in the way of another.

Alembic drops tables before the foreign keys that refer to them, and in no certain order. Here
tables are created first, those that others refer to before the others; they are dropped last,
the other way round. Foreign keys between tables that refer to each other are added after all of
them, and dropped before. Columns keep their order. An operation that is not of a comparison (a hook
has put it there) keeps its place, and nothing moves past it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from alembic.operations import ops

from bridge.alembic.autogenerate.circles import Tables, name_of

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
    making, unmaking = Tables(created), Tables(dropped)
    made, gone = set(map(name_of, created)), set(map(name_of, dropped))
    # Those that a hook has taken out of its tables refer to others.
    keys = [each for each in others if isinstance(each, ops.CreateForeignKeyOp)]
    for table in _sorted(created, lambda one, left: not making.referred(name_of(one)) & left):
        yield from making.created(table)
        of_table = (each for each in others if target_of(each) == name_of(table))
        yield from (each for each in of_table if each not in keys)
    yield from (each for each in keys if target_of(each) in made)
    yield from making.added()
    for each in _columns_in_order(others):
        # The indexes of a table go with it.
        goes_with_table = isinstance(each, ops.DropIndexOp) and target_of(each) in gone
        if target_of(each) not in made and not goes_with_table:
            yield each
    let_go = {_constraint(each) for each in others}
    yield from (each for each in unmaking.taken_out() if _constraint(each) not in let_go)
    yield from _sorted(
        sorted(dropped, key=name_of),
        lambda one, left: all(name_of(one) not in unmaking.referred(name) for name in left),
    )


def _constraint(operation: ops.MigrateOperation) -> tuple[str | None, object]:
    """Return the table and the name of a constraint that is dropped."""
    name = operation.constraint_name if isinstance(operation, ops.DropConstraintOp) else None
    return target_of(operation), name


def _columns_in_order(others: Sequence[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    """The columns of a table as they stand in it; dropped, so that the way back adds them so."""
    for (kind, _), run in groupby(others, lambda each: (type(each), target_of(each))):
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
    """Sort the tables, so that each comes after those it needs; there is no circle."""
    left = {name_of(each): each for each in tables}
    while left:
        ready = (one for name, one in left.items() if may_go(one, left.keys() - {name}))
        yield left.pop(name_of(next(ready)))


def target_of(operation: ops.MigrateOperation) -> str | None:
    """Return the table that an operation is about, with its schema if it says one."""
    name = getattr(operation, "table_name", None) or getattr(operation, "source_table", None)
    schema = getattr(operation, "schema", None)
    if isinstance(operation, ops.CreateForeignKeyOp):
        schema = operation.kw.get("source_schema")
    return f"{schema}.{name}" if schema else name
