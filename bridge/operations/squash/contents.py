"""What a database holds: its schema, its rows, its sequences, its extensions. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.operations.schema.entries import Entry
from bridge.operations.schema.tables import Name, SequenceState, Table


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in a scratch database, but for the two tables of the ledger."""

    #: The major version of its PostgreSQL.
    major: int
    entries: tuple[Entry, ...]
    tables: tuple[Table, ...]
    sequences: Mapping[Name, SequenceState]
    #: The version of each extension.
    extensions: Mapping[str, str]
    #: Materialized views that have their rows.
    populated: frozenset[Name]
    #: Those of them whose rows were older than what their query gives now.
    stale: frozenset[Name] = frozenset()
    #: The schema in which the files made what they gave no schema.
    here: str = "public"

    @property
    def rows(self) -> int:
        """How many rows the migrations have left in tables."""
        return sum(len(each.rows) for each in written(self.tables))


def written(tables: Sequence[Table]) -> list[Table]:
    """Choose the tables whose rows the new file writes."""
    return [each for each in tables if each.rows and not each.of_extension and not each.is_view]
