"""The state of a database as it was read: the rows of the ledger, and the pointer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bridge.database.quoting import quote, readable_constant
from bridge.files.conventions import Order
from bridge.findings import Finding
from bridge.ledger.checksum_forms import ChecksumForm
from bridge.ledger.history import Row, in_applied_order
from bridge.ledger.keys import Form, Keys
from bridge.ledger.layout import Layout
from bridge.ledger.table_facts import Column, Table

#: How much of a ledger that was not recognised is shown: rows, and characters of a value.
_SHOWN_ROWS = 3
_SHOWN_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A table of the ledger's name in another schema of the database."""

    schema: str
    #: Whether this role may use that schema.
    usable: bool = True
    #: Whether it has, or had, any row.
    filled: bool = True


@dataclass(frozen=True, slots=True)
class OtherTable:
    """A table of another name, that holds the name of the first file."""

    name: str
    #: Where it is, if that is not on the search_path.
    schema: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Return what says that it is the ledger."""
        schema = {"version_table_schema": self.schema} if self.schema else {}
        return {**schema, "ledger_table": self.name}

    def __str__(self) -> str:
        return ".".join(quote(part) for part in (self.schema, self.name) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The facts of a connection that matter to what is recorded."""

    #: The schema in which files make their tables; None if the search_path names none.
    here: str | None = "public"
    #: The same for a session of this database that nobody has told a search_path.
    usual: str | None = "public"
    #: The role, as SQL has it.
    role: str = "app"
    #: Whether this role may make tables where the two tables belong.
    may_create: bool = True
    #: Whether the schema is there in which they belong.
    has_schema: bool = True
    #: Whether the server is one that only follows another.
    standby: bool = False
    #: Whether the transaction may write nothing at all, and whether those after it may not.
    read_only: bool = False
    reads_by_default: bool = False
    #: The encoding of the database, as PostgreSQL calls it.
    encoding: str = "UTF8"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A constraint of the ledger that would refuse the row of a migration."""

    stem: str
    #: The constraint with its expression, or the database's own words.
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A history of Alembic's that counts as applied here, and is not recorded yet."""

    #: What the version table holds: ids of the revisions that the files were.
    pointers: tuple[str, ...]
    #: What is to be recorded, in that order.
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of a database, as it was read."""

    #: The ledger's name, as SQL has it, with its schema where one is set.
    ledger: str
    #: The version table's name, as SQL has it.
    version_table: str
    #: Whether the ledger exists.
    exists: bool
    #: Whether it has columns that only bridge adds.
    ours: bool
    #: As they are recorded, until `named` has made stems of their keys.
    rows: tuple[Row, ...]
    #: Whether the rows tell in which order they were applied.
    certain: bool
    #: What the version table holds; more than one only if something else wrote it.
    pointers: tuple[str, ...]
    #: Whether the version table has a row that points nowhere, which Alembic would trip over.
    blank_pointer: bool = False
    #: Tables of the ledger's name in other schemas, unless the settings name one.
    elsewhere: tuple[Elsewhere, ...] = ()
    #: The schema that the settings name.
    schema: str | None = None
    #: Both tables as the catalog tells of them; None for one that is not there.
    table: Table | None = None
    pointer_table: Table | None = None
    session: Session = field(default_factory=Session)
    #: Whether a person has said that the ledger is this project's, although no row is a file.
    adopted: bool = False
    #: Another table, where the ledger is empty, that holds the name of the first file.
    other_table: OtherTable | None = None
    #: Columns that must have a value, and of which nobody can tell which.
    unfilled: tuple[Column, ...] = ()
    #: Rows that would be refused.
    rejected: tuple[Rejected, ...] = ()
    #: The ledger's column for the names of migrations; None if its name does not tell.
    key_column: str | None = "version"
    #: Whether the settings say so.
    key_is_set: bool = False
    #: Whether that column holds numbers.
    numeric: bool = False
    #: What the settings say about the form of those names.
    form: Form | None = None
    #: The column of the words after the number, where both together name a migration.
    words_column: str | None = None
    #: What the columns that bridge does not write hold, each in the order of the rows.
    others: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    #: The columns of another team's checksums whose form is known.
    checksums: Mapping[str, ChecksumForm] = field(default_factory=dict)
    #: All columns of the ledger, for a message.
    columns: str = ""
    #: The columns themselves.
    layout: Layout = field(default_factory=Layout)
    #: Whether both tables are there with all that bridge would make.
    complete: bool = False
    #: The order of the folder's files.
    order: Order = Order.NAME
    #: How the ledger names migrations; None as long as that has not been found out.
    keys: Keys | None = None
    #: What each migration is recorded as, by its stem.
    recorded: Mapping[str, str] = field(default_factory=dict)
    #: Where the rows, and the pointer at the last of them, have still to be written.
    imported: Imported | None = None
    #: Why nobody can tell what an imported history means here.
    imported_unclear: Finding | None = None

    @property
    def in_order(self) -> tuple[Row, ...]:
        """The rows as they were applied, as far as they tell; each migration once."""
        return in_applied_order(
            self.rows, certain=self.certain, pointers=self.pointers, order=self.order
        )

    @property
    def candidates(self) -> Mapping[str, Sequence[str | None]]:
        """The columns that may hold those names where `key_column` does not, row by row."""
        return {name: self.others[name] for name in self.layout.candidates}

    def condition(self, stem: str) -> str:
        """The SQL that finds the row of a migration, or sets its name, for a person to type."""
        return self.condition_of(self.key(stem))

    def condition_of(self, name: str) -> str:
        """Return the same SQL for what the ledger calls a migration."""
        return " AND ".join(self._named(name))

    def _named(self, name: str) -> list[str]:
        column = self.key_column or "version"
        parts = {column: name}
        if self.words_column is not None:
            number, _, words = name.partition(" ")
            parts = {column: number, self.words_column: words}
        return [f"{quote(each)} = {readable_constant(part)}" for each, part in parts.items()]

    def key(self, stem: str) -> str:
        """Return what the ledger calls a migration."""
        if stem in self.recorded:
            return self.recorded[stem]  # numbers may be padded in one row and not in another
        return self.new_key(stem)

    def new_key(self, stem: str) -> str:
        """What the ledger would call a migration that is recorded now."""
        return self.keys.key(stem) if self.keys else stem

    def replaced_rows(self, stem: str, names: Sequence[str]) -> list[Row]:
        """Return the rows of what this squash replaces, which are recorded with it.

        In a ledger of numbers it may have the row of one of them, and then that is its own.
        """
        own = self.key(stem)
        return [Row(name, key=key) for name in names if (key := self.key(name)) != own]

    def shares_row(self, stem: str, names: Sequence[str]) -> bool:
        """Return whether the row of one that this squash replaces is its own row as well."""
        return len(self.replaced_rows(stem, names)) < len(names)

    def correction(self, stem: str, name: str) -> str:
        """The SQL that gives the row of `name` the name of this file, for a person to type."""
        new, old = ", ".join(self._named(self.new_key(stem))), self.condition_of(name)
        return f"UPDATE {self.ledger} SET {new} WHERE {old};"  # noqa: S608

    @property
    def naming(self) -> str:
        """How the ledger names migrations, to go on after that."""
        column = f"the column {self.key_column}"
        if self.words_column is not None:
            words = f"the column {self.words_column}"
            return f"the number in {column} and the words after it in {words}"
        return f"their {self.keys.form if self.keys else Form.STEM} in {column}"

    @property
    def recognised(self) -> str | None:
        """What was made of an unusual ledger that the settings do not describe, as a sentence."""
        if self.keys is None or not self.rows:
            return None
        column = self.key_column == "version" or self.key_is_set
        form = self.keys.form is Form.STEM or self.form is not None
        # No setting says it of two columns, so that is said until bridge has been there.
        if (column and form) or (self.words_column is not None and self.ours):
            return None
        names = self.recorded.items()
        stem, key = next((pair for pair in names if self.keys.fits(pair[1])), next(iter(names)))
        settled = (
            f" To settle it, set ledger_key = {self.key_column} and ledger_key_form = "
            f"{self.keys.form} in alembic.ini."
            if self.words_column is None
            else ""
        )
        return (
            f"{self.ledger} is taken for a ledger that names migrations by {self.naming}: "
            f"'{key}' is {stem}.{settled}"
        )


def samples(state: State) -> str:
    """A sentence that shows what the first rows of an unusual ledger hold."""
    if not state.rows:
        return "It has no rows."
    columns = [[name, *values[:_SHOWN_ROWS]] for name, values in state.candidates.items()]
    rows = [
        ", ".join(f"{name} {_shown(values[place])}" for name, *values in columns)
        for place in range(min(len(state.rows), _SHOWN_ROWS))
    ]
    return f"Its first rows: {'; '.join(rows)}."


def _shown(value: str | None) -> str:
    if value is None:
        return "NULL"
    return readable_constant(
        value if len(value) <= _SHOWN_LENGTH else value[: _SHOWN_LENGTH - 1] + "…"
    )
