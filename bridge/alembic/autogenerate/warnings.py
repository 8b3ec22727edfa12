"""Warn of a generated statement: what it loses, what it needs.

It looks at Alembic's operations; whether a table has rows, or what is in them, nobody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Dialect

#: A table that was created at the cost of another one is like it in at least this part of columns.
_ALIKE = 0.5


@dataclass(frozen=True)
class Notes:
    """The notes on one direction of a migration."""

    created: tuple[ops.CreateTableOp, ...]
    added: tuple[ops.AddColumnOp, ...]
    dialect: Dialect

    @classmethod
    def about(cls, operations: Sequence[ops.MigrateOperation], dialect: Dialect) -> Notes:
        """Look for what may be a new name of what is dropped."""
        return cls(
            tuple(each for each in operations if isinstance(each, ops.CreateTableOp)),
            tuple(each for each in operations if isinstance(each, ops.AddColumnOp)),
            dialect,
        )

    def of(self, operation: ops.MigrateOperation, sql: str) -> tuple[str, ...]:
        """Return the notes on one statement of an operation."""
        if isinstance(operation, ops.DropTableOp) and "DROP TABLE" in sql:
            return self._of_table(operation)
        if isinstance(operation, ops.DropColumnOp) and "DROP COLUMN" in sql:
            return self._of_column(operation)
        if isinstance(operation, ops.AddColumnOp) and "ADD COLUMN" in sql:
            return self._of_new_column(operation)
        if isinstance(operation, ops.AlterColumnOp):
            name = f"{operation.table_name}.{operation.column_name}"
            if "SET NOT NULL" in sql:
                return (f"Fails where {name} is NULL: fill those rows first.",)
            if " USING " in sql:
                return ("Check that USING converts each value as it should.",)
        return ()

    def _of_table(self, operation: ops.DropTableOp) -> tuple[str, ...]:
        lost = f"The rows of {operation.table_name} are lost."
        columns = {each.name for each in operation.to_table().columns}
        for created in self.created:
            names = {each.name for each in created.columns if isinstance(each, Column)}
            alike = len(names & columns) >= _ALIKE * max(len(names | columns), 1)
            if alike and created.schema == operation.schema:
                old = self._table(operation)
                return (lost, _rename(f"{old} RENAME TO {self._quote(created.table_name)}"))
        return (lost,)

    def _of_column(self, operation: ops.DropColumnOp) -> tuple[str, ...]:
        lost = f"What is in {operation.table_name}.{operation.column_name} is lost."
        here = [
            each.column
            for each in self.added
            if (each.table_name, each.schema) == (operation.table_name, operation.schema)
        ]
        kind = self._kind(operation.to_column())
        likely = [each for each in here if self._kind(each) == kind] or here
        table, old = self._table(operation), self._quote(operation.column_name)
        changes = [f"{table} RENAME COLUMN {old} TO {self._quote(each.name)}" for each in likely]
        return (lost, _rename(*changes)) if changes else (lost,)

    def _of_new_column(self, operation: ops.AddColumnOp) -> tuple[str, ...]:
        column: Column[Any] = operation.column
        if column.nullable or column.server_default is not None or column.identity is not None:
            return ()
        table = operation.table_name
        warning = f"Fails if {table} has rows: add it without NOT NULL, fill it, then SET NOT NULL."
        return (warning,)

    def _kind(self, column: Column[Any]) -> str:
        return str(column.type.compile(dialect=self.dialect))

    def _quote(self, name: str) -> str:
        return self.dialect.identifier_preparer.quote(name)

    def _table(self, operation: ops.DropTableOp | ops.DropColumnOp) -> str:
        names: Iterable[str | None] = (operation.schema, operation.table_name)
        return ".".join(self._quote(name) for name in names if name)


def _rename(*changes: str) -> str:
    one_of = ", one of" if len(changes) > 1 else ""
    lines = "".join(f"\n  ALTER TABLE {change}" for change in changes)
    return f"A rename? Then, in place of both statements{one_of}:{lines}"
