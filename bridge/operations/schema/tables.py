"""Tables, their rows and sequences, as they are compared and written. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.database.quoting import quote

#: A row: each value as PostgreSQL writes it, None for NULL.
Row = tuple[str | None, ...]
#: A table or a sequence, by schema and name.
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    #: The name of its type in pg_type: int4, text.
    type: str
    #: Whether the server numbers it: GENERATED … AS IDENTITY.
    identity: bool = False
    #: Whether the server computes it: GENERATED ALWAYS AS (…).
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a materialized view, and its rows."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    #: Whether an extension has made it, which makes it again.
    of_extension: bool = False
    #: Whether it is a materialized view: its rows come from a query.
    is_view: bool = False

    @property
    def key(self) -> Name:
        """Its schema and its name."""
        return self.schema, self.name

    @property
    def computed(self) -> frozenset[str]:
        """The columns whose values come from the server, and from no INSERT."""
        return frozenset(each.name for each in self.columns if self.is_view or each.generated)


@dataclass(frozen=True, slots=True)
class SequenceState:
    """Where a sequence is."""

    last: int
    called: bool
    #: Where it began.
    start: int

    @property
    def is_new(self) -> bool:
        """Whether it is as it was made."""
        return not self.called and self.last == self.start


def quoted(name: Name) -> str:
    """Return what SQL calls a table or a sequence."""
    return f"{quote(name[0])}.{quote(name[1])}"
