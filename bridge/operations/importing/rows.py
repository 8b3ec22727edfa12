"""Say in which rows two runs differ, but for what differs between any two. Data in, data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bridge.operations.schema.tables import Name, Row, SequenceState, Table, quoted
from bridge.operations.schema.volatile import Volatile, without_columns


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows and the sequences that a run has left."""

    tables: tuple[Table, ...]
    sequences: Mapping[Name, SequenceState]


def names_of(found: Volatile) -> tuple[str, ...]:
    """Return what is not compared, as messages name it."""
    columns = [
        f"{quoted(name)}.{each}" for name, some in found.columns.items() for each in sorted(some)
    ]
    return (*columns, *(f"{_sequence(name)}.last_value" for name in sorted(found.sequences)))


def row_differences(old: Rows, new: Rows, ignored: Volatile) -> Iterator[str]:
    """Say for each table in which the rows differ, in one line, how."""
    others = {table.key: table for table in new.tables}
    for one in old.tables:
        other = others.get(one.key)
        # Where the schemas differ, that is told.
        if other is not None and other.columns == one.columns:
            yield from _differing(one, other, ignored.columns.get(one.key, frozenset()))
    for name in sorted(old.sequences.keys() & new.sequences.keys() - ignored.sequences):
        if old.sequences[name] != new.sequences[name]:
            yield f"{_sequence(name)}: values of last_value differ"


def _differing(one: Table, other: Table, left_out: Collection[str]) -> Iterator[str]:
    kept = [each.name for each in one.columns if each.name not in left_out]
    if not kept:
        return
    if len(one.rows) != len(other.rows):
        yield f"{quoted(one.key)}: {len(one.rows)} rows by Alembic, {len(other.rows)} by bridge"
        return
    before, after = (Counter(without_columns(each, frozenset(left_out))) for each in (one, other))
    if before != after:
        old, new = (min(each, key=_order) for each in (before - after, after - before))
        names = [name for name, a, b in zip(kept, old, new, strict=True) if a != b]
        yield f"{quoted(one.key)}: values of {', '.join(names)} differ"


def _order(row: Row) -> list[tuple[bool, str]]:
    return [(value is None, value or "") for value in row]


def _sequence(name: Name) -> str:
    return f"sequence {quoted(name)}"
