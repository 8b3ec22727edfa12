"""Take the foreign keys out of tables that refer to each other: only ALTER TABLE can add those.

Of each circle one, and those with `use_alter`, which SQLAlchemy leaves out of CREATE TABLE whatever
they refer to. For the tables that an upgrade creates and its downgrade drops they are the same,
under the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from alembic.operations import ops
from sqlalchemy import Column

from bridge.alembic.autogenerate.comparison import NAME_LIMIT, usual_name

if TYPE_CHECKING:
    from sqlalchemy import ForeignKeyConstraint, Table

    Operation = ops.CreateTableOp | ops.DropTableOp
    #: From each table to those it refers to.
    Edges = dict[str, dict[str, list[ForeignKeyConstraint]]]

#: How many bytes of a name that is too long stay, before some of its hash.
_KEPT = NAME_LIMIT - 9


class Tables:
    """Tables that are all created, or all dropped."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        # A column without a table comes into this one, and a further one would lack its references.
        self._loose = {name_of(each) for each in operations if _has_loose_columns(each)}
        self._tables = {name_of(each): each.to_table() for each in operations}
        self._apart = [
            key
            for name in sorted(self._tables)
            for key in _foreign_keys(self._tables[name])
            if key.use_alter
        ]
        self._edges = self._edges_left()
        while (edge := _edge_of_circle(self._edges)) is not None:
            source, target = edge
            self._apart += self._edges[source].pop(target)

    def referred(self, name: str) -> set[str]:
        """Return those of the tables that have to be there before this one."""
        return set(self._edges[name])

    def created(self, operation: ops.CreateTableOp) -> Iterator[ops.MigrateOperation]:
        """Yield what creates the table, without the foreign keys that are added later."""
        table = self._tables[name_of(operation)]
        apart = set(_foreign_keys(table)).intersection(self._apart)
        if not apart and table.key not in self._loose:
            yield operation
            return
        table.constraints -= apart
        without = ops.CreateTableOp.from_table(table)
        without.if_not_exists = operation.if_not_exists
        yield without
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            yield ops.CreateIndexOp.from_index(index)

    def added(self) -> Iterator[ops.CreateForeignKeyOp]:
        """Yield what adds the foreign keys, when all of the tables are there."""
        for key in self._apart:
            operation = ops.CreateForeignKeyOp.from_constraint(key)
            operation.constraint_name = _name(operation)
            yield operation

    def taken_out(self) -> Iterator[ops.DropConstraintOp]:
        """Yield what drops them, when all of the tables are there still."""
        for key in self._apart:
            if _target(key) in self._tables and _target(key) != _source(key):
                operation = ops.DropConstraintOp.from_constraint(key)
                operation.constraint_name = _name(ops.CreateForeignKeyOp.from_constraint(key))
                yield operation

    def _edges_left(self) -> Edges:
        edges: Edges = {name: {} for name in sorted(self._tables)}
        for name in edges:
            for key in _foreign_keys(self._tables[name]):
                target = _target(key)
                if not key.use_alter and target in edges and target != name:
                    edges[name].setdefault(target, []).append(key)
        return edges


def name_of(operation: Operation) -> str:
    """Return the table's name, with its schema if the operation says one."""
    return _full(operation.schema, operation.table_name)


def _has_loose_columns(operation: Operation) -> bool:
    columns = operation.columns if isinstance(operation, ops.CreateTableOp) else ()
    return any(isinstance(each, Column) and each.table is None for each in columns)


def _edge_of_circle(edges: Edges) -> tuple[str, str] | None:
    """Return one step of a circle, from the first of its tables; None if there is no circle."""
    left = {name: set(targets) for name, targets in edges.items()}
    while ready := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ready:
            del left[name]
    if not left:
        return None
    # Every table that is left refers to one that is left.
    way = [next(iter(left))]
    while (following := min(left[way[-1]] & left.keys())) not in way:
        way.append(following)
    circle = way[way.index(following) :]
    source = min(circle)
    return source, (circle * 2)[circle.index(source) + 1]


def _foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda key: (key.column_keys, str(key.name)))


def _source(key: ForeignKeyConstraint) -> str:
    return _full(key.table.schema, key.table.name)


def _target(key: ForeignKeyConstraint) -> str:
    return key.elements[0].target_fullname.rpartition(".")[0]


def _full(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _name(added: ops.CreateForeignKeyOp) -> str:
    """Return the name of its own, or the one that PostgreSQL would give, cut where that would."""
    name = str(added.constraint_name or usual_name(added))
    if len(name.encode()) <= NAME_LIMIT:
        return name
    digest = sha256(name.encode()).hexdigest()[: NAME_LIMIT - _KEPT - 1]
    return f"{name.encode()[:_KEPT].decode(errors='ignore')}_{digest}"
