"""Find what is another value each time the same migrations run. Data in, data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.operations.schema.tables import Name, Row, SequenceState, Table, quoted


class Made(Protocol):
    """What a run has made, beside the schema."""

    @property
    def tables(self) -> Sequence[Table]:
        """The tables with their rows."""

    @property
    def sequences(self) -> Mapping[Name, SequenceState]:
        """Where each sequence is."""


@dataclass(frozen=True, slots=True)
class Volatile:
    """What is another value each time the files run: now(), random()."""

    #: The columns of each table.
    columns: Mapping[Name, frozenset[str]] = field(default_factory=dict)
    sequences: frozenset[Name] = frozenset()

    def names(self) -> tuple[str, ...]:
        """Return the name of each, as SQL calls it."""
        columns = [
            f"{quoted(name)}.{each}" for name, some in self.columns.items() for each in sorted(some)
        ]
        return (*columns, *map(quoted, sorted(self.sequences)))


def volatile(one: Made, other: Made) -> Volatile:
    """Find the columns and sequences whose values differ between two runs of the same files."""
    others = {table.key: table for table in other.tables}
    columns = {
        table.key: found
        for table in one.tables
        if (there := others.get(table.key)) is not None
        and there.columns == table.columns  # else the schema differs, and that is told
        and (found := _volatile(table, there))
    }
    sequences = (
        name for name, state in one.sequences.items() if other.sequences.get(name) != state
    )
    return Volatile(columns, frozenset(sequences))


def _volatile(one: Table, other: Table) -> frozenset[str]:
    if Counter(one.rows) == Counter(other.rows):
        return frozenset()
    names = [column.name for column in one.columns]
    found = frozenset(
        name
        for place, name in enumerate(names)
        if Counter(row[place] for row in one.rows) != Counter(row[place] for row in other.rows)
    )
    if Counter(without_columns(one, found)) == Counter(without_columns(other, found)):
        return found
    # Each column has the same values as before, and the rows are others: they were shuffled.
    return frozenset(names)


def without_columns(table: Table, columns: frozenset[str]) -> list[Row]:
    """Return the rows of a table without these columns."""
    kept = [place for place, each in enumerate(table.columns) if each.name not in columns]
    return [tuple(row[place] for place in kept) for row in table.rows]
