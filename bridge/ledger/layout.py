"""The columns of a ledger: bridge's own, those of the old runner, those of a team.

Data in, data out. An adopted table may have other columns than bridge's, and columns of the same
names with other types: what does not fit is not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from bridge.database.quoting import quote
from bridge.errors import LedgerError
from bridge.ledger.columns import ADDED_COLUMNS
from bridge.ledger.history import SELECTED, Row
from bridge.ledger.table_facts import FRACTION_TYPE, TEXT_TYPE, TIME_TYPE, WHOLE_TYPE

if TYPE_CHECKING:
    from bridge.ledger.filling import Filling
    from bridge.ledger.table_facts import Table

#: Wide enough for a file's stem, in both tables; Alembic's own default is 32.
VERSION_LENGTH: Final = 255

#: Where bridge's checksums are, if a team has a column of that name for its own.
OWN_CHECKSUM: Final = "bridge_checksum"
#: The comment by which bridge knows the column that it has made.
CHECKSUM_COMMENT: Final = "Written by bridge: SHA-256 of the text that was applied."

#: Where home-made runners record what they have applied; the first that is there is meant.
KEYS: Final = (
    *("version", "name", "filename", "file_name", "migration", "migration_name"),
    *("migration_id", "script", "script_name", "id"),
)
#: Where they record when; the first that is there with a type that fits is meant.
TIMES: Final = (
    *("applied_at", "executed_at", "run_at", "ran_at", "migrated_at", "installed_at"),
    *("applied_on", "executed_on", "run_on", "installed_on", "completed_at", "finished_at"),
    *("created_at", "created_on", "migration_time", "timestamp"),
)

#: What can be read as text, and may say something about a migration.
_READABLE: Final = f"{TEXT_TYPE}|{WHOLE_TYPE}|{TIME_TYPE}|boolean|{FRACTION_TYPE}"
#: The types that bridge can write into, as PostgreSQL's format_type() names them.
_FITTING: Final = {
    "applied_at": TIME_TYPE,
    "description": TEXT_TYPE,
    "checksum": r"text|character varying(\((6[4-9]|[7-9]\d|\d{3,})\))?",
    "execution_ms": "integer|bigint",
    "breaking": "boolean",
}
#: Times that differ between any two rows.
_PRECISE: Final = r"timestamp(\(6\))? with(out)? time zone"


@dataclass(frozen=True)
class Layout:
    """The columns of one ledger; no names at all if there is no such table."""

    #: Every column, with its type.
    names: Mapping[str, str] = field(default_factory=dict)
    #: The column that numbers the rows by itself, if there is one.
    serial: str | None = None
    #: The column of names that the settings, or the rows, say; None for one of a usual name.
    chosen_key: str | None = None
    #: The column of the words after a number, where the number alone is not the name.
    words_key: str | None = None
    #: Columns of which nobody but the server says what they hold.
    always: frozenset[str] = frozenset()
    #: Columns that take no NULL.
    not_null: frozenset[str] = frozenset()
    #: The defaults of columns, as SQL.
    defaults: Mapping[str, str] = field(default_factory=dict)
    #: The comments on columns.
    comments: Mapping[str, str] = field(default_factory=dict)
    #: What a row has to say beyond what bridge knows of it, column by column.
    fillings: tuple[Filling, ...] = ()
    #: What Python calls the encoding of the database, if that has not all characters.
    codec: str | None = None

    @classmethod
    def of(
        cls, table: Table | None, chosen_key: str | None = None, words_key: str | None = None
    ) -> Layout:
        """Return the layout of a table as the catalog describes it."""
        columns = list(table.columns.values()) if table else []
        serial = sorted(column.name for column in columns if column.numbers_rows)
        return cls(
            {column.name: column.type for column in columns},
            serial[0] if serial else None,
            chosen_key if table else None,
            words_key if table else None,
            frozenset(column.name for column in columns if column.always),
            frozenset(column.name for column in columns if column.not_null),
            {column.name: column.default for column in columns if column.default},
            {column.name: column.comment for column in columns if column.comment},
        )

    @cached_property
    def key(self) -> str | None:
        """The column with the names of migrations; None if none is known for that."""
        if self.chosen_key is not None:
            return self.chosen_key if self.chosen_key in self._keylike else None
        if "dirty" in self.names:
            return None  # golang-migrate's: its one row is not a set
        usual = (name for name in KEYS if name in self._keylike)
        return next((name for name in usual if name != "id" or self.serial != "id"), None)

    @property
    def key_name(self) -> str:
        """What names a migration, as SQL: that column, or the text of two of them."""
        key = quote(self.key or KEYS[0])
        return key if self.words_key is None else f"concat_ws(' ', {key}, {quote(self.words_key)})"

    @property
    def key_columns(self) -> frozenset[str]:
        """The columns that name a migration."""
        return frozenset(filter(None, (self.key, self.words_key)))

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """The columns of which one may hold the names of migrations, if `key` does not."""
        if self.chosen_key is not None or "dirty" in self.names:
            return ()
        # A checksum of a team's own names no migration either.
        own = self._fitting | {self.serial, OWN_CHECKSUM}
        found = tuple(name for name in self._keylike if name not in own)
        return () if found == (self.key,) else found

    @cached_property
    def others(self) -> tuple[str, ...]:
        """The columns of which the rows may tell what a new row says there.

        Beside those that bridge writes by itself, and with the candidates.
        """
        known = {*self.key_columns, *self.columns.values(), self.serial, OWN_CHECKSUM}
        return tuple(
            name
            for name in self.names
            if (name in self.candidates or name not in known) and self._fits(name, _READABLE)
        )

    def numeric(self, column: str | None) -> bool:
        """Return whether migrations are recorded by number, in a column that takes nothing else."""
        return column is not None and self._fits(column, WHOLE_TYPE)

    @cached_property
    def _keylike(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if self._fits(name, f"{TEXT_TYPE}|{WHOLE_TYPE}"))

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """The columns for the other fields of a Row, as far as they are there with a fitting type.

        By the fields' names.
        """
        found = {name: name for name in self._fitting - {"checksum", "applied_at"}}
        if self.checksum is not None:
            found["checksum"] = self.checksum
        if self.time is not None:
            found["applied_at"] = self.time
        return {name: column for name, column in found.items() if column not in self.key_columns}

    @cached_property
    def time(self) -> str | None:
        """The column that says when a migration was applied, of those with a type for that."""
        return next((name for name in TIMES if self._fits(name, TIME_TYPE)), None)

    @cached_property
    def checksum(self) -> str | None:
        """The column of bridge's checksums; a team's own of that name is left to the team.

        Without a comment the column beside it tells, which only bridge adds.
        """
        if OWN_CHECKSUM in self.names:
            return OWN_CHECKSUM if self._fits(OWN_CHECKSUM, _FITTING["checksum"]) else None
        comment = self.comments.get("checksum")
        made = comment == CHECKSUM_COMMENT or (comment is None and "breaking" in self._fitting)
        return "checksum" if made and "checksum" in self._fitting else None

    @property
    def lacking(self) -> Mapping[str, str]:
        """The columns of bridge's that are not there, each with its type."""
        found = {name: kind for name, kind in ADDED_COLUMNS.items() if name not in self.names}
        if "checksum" in self.names and self.checksum is None and OWN_CHECKSUM not in self.names:
            found[OWN_CHECKSUM] = ADDED_COLUMNS["checksum"]
        return found

    @property
    def unusable(self) -> Mapping[str, str]:
        """Columns of bridge's names that are there with a type that does not fit."""
        return {
            name: self.names[name]
            for name in ("execution_ms", "breaking", OWN_CHECKSUM)
            if name in self.names and not self._fits(name, _FITTING.get(name, _FITTING["checksum"]))
        }

    @cached_property
    def _fitting(self) -> frozenset[str]:
        return frozenset(name for name, types in _FITTING.items() if self._fits(name, types))

    @property
    def is_ours(self) -> bool:
        """Whether it has the columns that only bridge adds."""
        return self.columns.keys() >= ADDED_COLUMNS.keys()

    @property
    def selected(self) -> str:
        """What to select to get the fields of a Row, and last what the others hold, if any."""
        # A padded CHAR loses its blanks as text.
        key = f"{self.key_name}::text" if self.key else "''"
        found = dict(self.columns)
        found["breaking"] = "coalesce(breaking, false)" if "breaking" in found else "false"
        found |= {"serial": quote(self.serial)} if self.serial else {}
        columns = [key, *(found.get(name, "NULL") for name in SELECTED)]
        if self.others:
            texts = ", ".join(f"{quote(name)}::text" for name in self.others)
            columns.append(f"ARRAY[{texts}]")
        return ", ".join(columns)

    def tells_order_of(self, rows: Sequence[Row]) -> bool:
        """Whether these rows say in which order they were applied: by number, or exact time."""
        if self.serial is not None:
            return all(row.serial is not None for row in rows)
        precise = re.fullmatch(_PRECISE, self.names.get(self.time or "", ""))
        return precise is not None and all(row.applied_at is not None for row in rows)

    def check(self, table: str) -> None:
        """Raise LedgerError if this cannot be a ledger of migrations."""
        if self.chosen_key is not None and self.key is None:
            raise LedgerError(
                f"ledger_key is {self.chosen_key}, and the table {table} has no such column of "
                f"text or of whole numbers: its columns are {self.described}. It was left alone."
            )
        if self.key is None and not self.candidates:
            raise LedgerError(
                f"The table {table} is not a ledger that bridge knows: its columns are "
                f"{self.described}, and the names of migrations would be "
                f"in a column named {', '.join(KEYS[:-1])} or {KEYS[-1]}. It was left alone. "
                "Name another table with ledger_table = NAME in alembic.ini."
            )

    @property
    def described(self) -> str:
        """The names of all columns, for a message."""
        return ", ".join(self.names) or "none at all"

    @property
    def now(self) -> str:
        """The time that a new row gets, as SQL.

        What has no time zone has the one that the table's default writes, if it has a default.
        """
        naive = self.names.get(self.time or "", "").endswith("without time zone")
        return (naive and self.defaults.get(self.time or "")) or "clock_timestamp()"

    def storable(self, description: str | None) -> str | None:
        """As much of a description as its column holds, in characters that the database has."""
        if description is None:
            return None
        width = re.search(r"\((\d+)\)", self.names.get("description", ""))
        text = description[: int(width[1])] if width else description
        return text if self.codec is None else text.encode(self.codec, "replace").decode(self.codec)

    def knowing(self, before: Layout) -> Layout:
        """Return the layout that a table has now, with what was found out about it before."""
        return replace(self, fillings=before.fillings, codec=before.codec)

    def filled(self, row: Row) -> dict[str, str | None]:
        """What the fillings make of a migration, by the names of their parameters."""
        return {
            f"filling_{place}": each.of_row(row)
            for place, each in enumerate(self.fillings)
            if each.of_row is not None
        }

    def about(self, row: Row, *, renamed: bool) -> dict[str, str]:
        """What a row says of the text of its migration, beside bridge's own columns.

        And of its name, if that is another now.
        """
        wanted = {"name", "text"} if renamed else {"text"}
        made = {
            each.column: each.of_row(row)
            for each in self.fillings
            if each.of_row is not None and each.about in wanted
        }
        return {column: value for column, value in made.items() if value is not None}

    @property
    def keeps_checksums(self) -> bool:
        """Whether it is recorded what was applied, in bridge's way or in another team's."""
        return "checksum" in self.columns or any(each.about == "text" for each in self.fillings)

    def _fits(self, name: str, types: str) -> bool:
        return name not in self.always and re.fullmatch(types, self.names.get(name, "")) is not None
