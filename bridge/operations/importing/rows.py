"""Compare the rows that two runs have left, but for what differs between any two runs.

Which columns those are is found by running the same thing twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.database.quoting import quote
from bridge.database.sending import send

if TYPE_CHECKING:
    from sqlalchemy import Connection

_COLUMNS: Final = """
SELECT n.nspname::text, c.relname::text, array_agg(a.attname::text ORDER BY a.attname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
   AND (c.relkind = 'r' OR c.relispopulated)
 GROUP BY 1, 2 ORDER BY 1, 2"""
_SEQUENCES: Final = """
SELECT schemaname::text, sequencename::text, last_value FROM pg_sequences ORDER BY 1, 2"""

#: A table as messages name it.
Name = str
Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table, as text, in no particular order."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> list[str | None]:
        """Return the values of one column, sorted."""
        place = self.columns.index(name)
        return sorted((row[place] for row in self.rows), key=_key)

    def without(self, columns: Collection[str]) -> list[Row]:
        """Return the rows without these columns, sorted."""
        kept = [place for place, name in enumerate(self.columns) if name not in columns]
        rows = [tuple(row[place] for place in kept) for row in self.rows]
        return sorted(rows, key=lambda row: [*map(_key, row)])


def _key(value: str | None) -> tuple[bool, str]:
    return (value is None, value or "")


Contents = Mapping[Name, Rows]


def read_rows(connection: Connection, *, without: Collection[str]) -> dict[Name, Rows]:
    """Read all rows of all tables but those of these names, and where each sequence is."""
    tables: Any = send(connection, _COLUMNS).all()
    found = {}
    for schema, table, columns in tables:
        if table in without:
            continue
        wanted = ", ".join(f"{quote(each)}::text" for each in columns)
        name = f"{quote(schema)}.{quote(table)}"
        rows: Any = send(connection, f"SELECT ARRAY[{wanted}] FROM {name}").scalars()  # noqa: S608
        found[name] = Rows(tuple(columns), tuple(tuple(each) for each in rows))
    sequences: Any = send(connection, _SEQUENCES).all()
    for schema, sequence, last in sequences:
        if sequence not in without:
            value = None if last is None else str(last)
            name = f"sequence {quote(schema)}.{quote(sequence)}"
            found[name] = Rows(("last_value",), ((value,),))
    return found


def volatile(one: Contents, again: Contents) -> dict[Name, frozenset[str]]:
    """Find the columns whose values differ between two runs of the same; all, where rows do."""
    found: dict[Name, frozenset[str]] = {}
    for name, rows in one.items():
        other = again.get(name)
        if other is None or other.columns != rows.columns:
            continue  # the schemas differ, which is told otherwise
        if len(other.rows) != len(rows.rows):
            found[name] = frozenset(rows.columns)
        elif columns := [c for c in rows.columns if rows.column(c) != other.column(c)]:
            found[name] = frozenset(columns)
    return found


def row_differences(
    old: Contents, new: Contents, ignored: Mapping[Name, frozenset[str]]
) -> Iterator[str]:
    """Say for each table in which the rows differ, in one line, how."""
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        if one is None or other is None or one.columns != other.columns:
            continue
        left_out = ignored.get(name, frozenset())
        if left_out >= set(one.columns):
            continue
        if len(one.rows) != len(other.rows):
            yield f"{name}: {len(one.rows)} rows by Alembic, {len(other.rows)} by bridge"
            continue
        before, after = one.without(left_out), other.without(left_out)
        pair = next(((a, b) for a, b in zip(before, after, strict=True) if a != b), None)
        if pair is not None:
            columns = [each for each in one.columns if each not in left_out]
            yield f"{name}: {_shown(columns, *pair)}"


def _shown(columns: Sequence[str], old: Row, new: Row) -> str:
    differing = [c for c, a, b in zip(columns, old, new, strict=True) if a != b]
    return f"values of {', '.join(differing)} differ"
