"""The columns of a ledger: bridge's own, the old runner's, or what else a team has made of them.

Data in, data out. An adopted table may have other columns than bridge's, and columns of the same
names with other types: what does not fit is not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any, Final

from bridge.errors import LedgerError
from bridge.line import Row

#: Wide enough for a file's stem, in both tables; Alembic's own default is 32.
VERSION_LENGTH: Final = 255

#: What a ledger made by bridge has beyond the old runner's three columns.
ADDED_COLUMNS: Final = {
    "checksum": "VARCHAR(64)",
    "execution_ms": "INTEGER",
    "breaking": "BOOLEAN",
}

#: Where home-made runners record what they have applied; the first that is there is meant.
_KEYS: Final = ("version", "name", "filename", "file_name", "migration", "migration_name")

_TEXT: Final = r"text|name|(\w+\.)?citext|character( varying)?(\(\d+\))?"
_NUMBER: Final = "smallint|integer|bigint"
#: The types that bridge can write into, as PostgreSQL's format_type() names them.
_FITTING: Final = {
    "applied_at": r"timestamp(\(\d\))? with(out)? time zone|date",
    "description": _TEXT,
    "checksum": r"text|character varying(\((6[4-9]|[7-9]\d|\d{3,})\))?",
    "execution_ms": "integer|bigint",
    "breaking": "boolean",
}
#: Times that differ between any two rows.
_PRECISE: Final = r"timestamp(\(6\))? with(out)? time zone"


def quote(name: str) -> str:
    """A name in quotes, where SQL needs them."""
    return str(_preparer().quote(name))


@cache
def _preparer() -> Any:
    from sqlalchemy.dialects import postgresql  # a start with nothing to do goes without

    # Leaves a % alone: `text()` doubles it for the driver.
    return postgresql.dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


def quoted(name: str) -> str:
    """A name for SQLAlchemy's `text()`, in which a colon would begin a parameter."""
    return quote(name).replace(":", "\\:")


@dataclass(frozen=True)
class Layout:
    """The columns of one ledger; no names at all if there is no such table."""

    #: Every column, with its type.
    names: Mapping[str, str] = field(default_factory=dict)
    #: The column that numbers the rows by itself, if there is one.
    serial: str | None = None
    #: The column of names that the settings, or the rows, say; None for one of a usual name.
    told: str | None = None

    @classmethod
    def of(
        cls,
        names: Sequence[str] | None,
        types: Sequence[str] | None,
        serial: str | None,
        told: str | None = None,
    ) -> Layout:
        """The layout that the catalog tells."""
        return cls(dict(zip(names or (), types or (), strict=True)), serial, told)

    @cached_property
    def key(self) -> str | None:
        """The column with the names of migrations; None if none is known for that."""
        if self.told is not None:
            return self.told if self.told in self._keylike else None
        if "dirty" in self.names:
            return None  # golang-migrate's: its one row is not a set
        return next((name for name in _KEYS if name in self._keylike), None)

    @property
    def quoted_key(self) -> str:
        """The name of that column for SQLAlchemy's `text()`."""
        return quoted(self.key or _KEYS[0])

    @property
    def key_name(self) -> str:
        """The same as SQL has it."""
        return quote(self.key or _KEYS[0])

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """The columns of which one may hold the names of migrations, if `key` does not."""
        if self.told is not None or "dirty" in self.names:
            return ()
        own = self._fitting | {self.serial}
        found = tuple(name for name in self._keylike if name not in own)
        return () if found == (self.key,) else found

    def numeric(self, column: str | None) -> bool:
        """Whether migrations are recorded by number, in a column that takes nothing else."""
        return column is not None and self._fits(column, _NUMBER)

    @cached_property
    def _keylike(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if self._fits(name, f"{_TEXT}|{_NUMBER}"))

    @cached_property
    def usable(self) -> frozenset[str]:
        """Those of bridge's other columns that are there, with a type that fits."""
        return self._fitting - {str(self.key)}

    @cached_property
    def _fitting(self) -> frozenset[str]:
        return frozenset(name for name, types in _FITTING.items() if self._fits(name, types))

    @property
    def is_ours(self) -> bool:
        """Whether it has the columns that only bridge adds."""
        return self.usable.issuperset(ADDED_COLUMNS)

    @property
    def selected(self) -> str:
        """What to select to get the fields of a Row, and last what the candidates hold, if any."""
        # A padded CHAR loses its blanks as text.
        key = f"{self.quoted_key}::text" if self.key else "''"
        found = {name: name for name in self.usable}
        found["breaking"] = "coalesce(breaking, false)" if "breaking" in found else "false"
        found |= {"serial": quoted(self.serial)} if self.serial else {}
        columns = [key, *(found.get(field.name, "NULL") for field in fields(Row)[1:])]
        if self.candidates:
            texts = ", ".join(f"{quoted(name)}::text" for name in self.candidates)
            columns.append(f"ARRAY[{texts}]")
        return ", ".join(columns)

    def tells_order_of(self, rows: Sequence[Row]) -> bool:
        """Whether these rows say in which order they were applied: by number, or exact time."""
        if self.serial is not None:
            return all(row.serial is not None for row in rows)
        precise = re.fullmatch(_PRECISE, self.names.get("applied_at", ""))
        return precise is not None and all(row.applied_at is not None for row in rows)

    def check(self, table: str) -> None:
        """Raise LedgerError if this cannot be a ledger of migrations."""
        if self.told is not None and self.key is None:
            raise LedgerError(
                f"mirror_key is {self.told}, and the table {table} has no such column of text or "
                f"of whole numbers: its columns are {self.described}. It was left alone."
            )
        if self.key is None and not self.candidates:
            raise LedgerError(
                f"The table {table} is not a ledger that bridge knows: its columns are "
                f"{self.described}, and the names of migrations would be "
                f"in a column named {', '.join(_KEYS[:-1])} or {_KEYS[-1]}. It was left alone. "
                "Name another table with mirror_table = NAME in alembic.ini."
            )

    @property
    def described(self) -> str:
        """The names of all columns, for a message."""
        return ", ".join(self.names) or "none at all"

    def _fits(self, name: str, types: str) -> bool:
        return re.fullmatch(types, self.names.get(name, "")) is not None
