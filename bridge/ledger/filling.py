"""Fill columns of an adopted ledger beside bridge's own, where their meaning is plain.

The tables of other runners have columns that bridge does not know. What a new row says there is
told by the name of the column and by the other rows. Where nobody can tell, a column that must
have a value keeps the row from being written; any other is left as it is. Data in, data out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bridge.database.quoting import always_quote
from bridge.ledger.history import Row
from bridge.ledger.name_forms import WHOLE, made_of_stem, number_of_stem
from bridge.ledger.outcomes import FAILURE, STATUS, SUCCESS, denies
from bridge.ledger.table_facts import FRACTION_TYPE, TEXT_TYPE, TIME_TYPE, WHOLE_TYPE, Column
from bridge.ledger.time_forms import epoch_form, iso_form, one_iso_form


@dataclass(frozen=True, slots=True)
class Filling:
    """What a row says in one column."""

    column: str
    #: As SQL, for all rows alike; None where it depends on the migration.
    sql: str | None = None
    #: Makes it of what is recorded; None is NULL.
    of_row: Callable[[Row], str | None] | None = None
    #: What of the migration it says; "" where that is something of its run.
    about: Literal["name", "text", ""] = ""

    @classmethod
    def of_name(cls, column: str, made: Callable[[str], str]) -> Filling:
        """What is made of the stem of a file."""
        return cls(column, of_row=lambda row: made(row.version), about="name")

    @classmethod
    def of_text(cls, column: str, made: Callable[[bytes], str]) -> Filling:
        """What is made of the bytes of a file; NULL where there is none."""

        def of_row(row: Row) -> str | None:
            return None if row.file is None else made(row.file.data())

        return cls(column, of_row=of_row, about="text")


@dataclass(frozen=True, slots=True)
class Told:
    """What the other rows say in one column."""

    #: The stem of each row and its value there, the last one last.
    values: Sequence[tuple[str, str | None]]
    #: The stems that are files; of other rows the ledger may say less than the whole name.
    files: Collection[str] | None = None

    @property
    def all(self) -> list[tuple[str, str]]:
        """Those that have a value."""
        return [(stem, value) for stem, value in self.values if value]

    @property
    def texts(self) -> list[str]:
        """The values themselves."""
        return [value for _, value in self.all]

    @property
    def of_files(self) -> list[tuple[str, str]]:
        """Those of files, if there are any."""
        found = [pair for pair in self.all if self.files is None or pair[0] in self.files]
        return found or self.all


_TEXT: Final = re.compile(TEXT_TYPE)
_WHOLE: Final = re.compile(WHOLE_TYPE)
_FRACTION: Final = re.compile(FRACTION_TYPE)
_TIME: Final = re.compile(TIME_TYPE)

_BY_FILE: Final = re.compile("(script|file)(_?(name|path))?|path")
_BY_NAME: Final = re.compile("name|migration(_name)?|version|title")
_BY_NUMBER: Final = re.compile(
    "(migration_|script_)?(id|no|number|version|seq(uence)?|order)|migration"
)
_BY_USER: Final = re.compile(
    "(installed|applied|executed|run|created|migrated)_(by|user)|user(_?name)?"
)
_BY_KIND: Final = re.compile("(migration_|script_)?(type|kind|language)")
_BY_COUNT: Final = re.compile("batch(_(id|no|number))?|(installed_)?rank")
_BY_TIME: Final = re.compile(
    "(installed|applied|executed|run|ran|created|migrated|completed|finished|started|updated)"
    "_(at|on|time)|(migration_)?(time(stamp)?|date)"
)
_BY_DURATION: Final = re.compile(
    "(?:execution(?:_time)?|exec_time|duration|elapsed(?:_time)?|took|run_?time)"
    "(?:_(in_)?(?P<unit>ms|millis|milliseconds|s|sec|secs|seconds))?"
)
_BY_CHECKSUM: Final = re.compile(r"(\w+_)?(check_?sum|hash|digest|md5|sha_?\d*)(_\w+)?")

#: How a time is written where no row tells, in as much detail as there is room for.
_USUAL_TIMES: Final = (
    "2024-01-01T00:00:00.000000Z",
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00",
)

#: A default that is a constant: a text, or a number.
_CONSTANT: Final = re.compile(
    r"'((?:[^']|'')*)'(?:::[\w \"().,\[\]]+)?|\(?(-?[\d.]+|true|false)\)?"
)


def is_checksum(column: Column) -> bool:
    """Return whether a column of another team's holds a checksum, by its name."""
    return bool(_TEXT.fullmatch(column.type) and _BY_CHECKSUM.fullmatch(column.name.lower()))


def says_how_long_or_when(column: Column) -> bool:
    """Return whether a column is about the time of a run, by its name."""
    name = column.name.lower()
    return bool(_BY_TIME.fullmatch(name) or _BY_DURATION.match(name))


def needs_value(column: Column) -> bool:
    """Whether a row has to say what it holds.

    Also where its default says that a migration has not succeeded.
    """
    return column.required or denies(column.name, default_of(column))


def default_of(column: Column) -> str | None:
    """The constant that a column has by default; None if it is none."""
    found = _CONSTANT.fullmatch(column.default or "")
    if found is None:
        return None
    return found[2] if found[1] is None else found[1].replace("''", "'")


def filling(column: Column, told: Told, *, table: str) -> Filling | None:
    """What to write into a column; None if it is to be left, or nobody can tell.

    `table` is the ledger's name, quoted for SQL.
    """
    name = column.name.lower()
    if not needs_value(column):
        if not told.all or (_TIME.fullmatch(column.type) and not _BY_TIME.fullmatch(name)):
            return None  # as the others leave it, or as of what happened later
        default = default_of(column)
        if column.default is not None and (default is None or {*told.texts} == {default}):
            return None  # left to it
    if _TEXT.fullmatch(column.type):
        return _of_text(column, name, told, table)
    if _TIME.fullmatch(column.type):
        return Filling(column.name, f"CAST(clock_timestamp() AS {column.type})")
    if column.type == "boolean":
        outcome = _outcome(name, "true", "false")
        return None if outcome is None else Filling(column.name, outcome)
    if _WHOLE.fullmatch(column.type) or _FRACTION.fullmatch(column.type):
        return _of_numbers(column, name, told, table)
    return None


def _outcome(name: str, good: str, bad: str) -> str | None:
    if SUCCESS.fullmatch(name):
        return good
    return bad if FAILURE.fullmatch(name) else None


def _of_text(column: Column, name: str, told: Told, table: str) -> Filling | None:
    if _BY_USER.fullmatch(name):
        user = "CAST(current_user AS text)"
        return Filling(column.name, f"left({user}, {column.width})" if column.width else user)
    if _BY_TIME.fullmatch(name):
        return _time_as_text(column, told, table)
    if any(names.fullmatch(name) for names in (STATUS, SUCCESS, FAILURE, _BY_KIND)):
        return _as_before(column, told)
    by_file, by_name = _BY_FILE.fullmatch(name), _BY_NAME.fullmatch(name)
    if not told.all and (by_file or by_name):
        return Filling.of_name(column.name, WHOLE["file" if by_file else "stem"])
    return _as_other_rows(column, told)


def _time_as_text(column: Column, told: Told, table: str) -> Filling | None:
    if not told.all:
        usual = next((each for each in _USUAL_TIMES if column.holds(each)), "")
        form = iso_form(usual)
    elif form := one_iso_form(told.texts):
        form = _no_earlier(column, form, table, compared='::text COLLATE "C"')
    elif epoch := epoch_form(told.texts):
        form = f"CAST({epoch} AS text)"
    else:
        form = iso_form(told.texts[-1])
    return None if form is None else Filling(column.name, form)


def _no_earlier(column: Column, now: str, table: str, *, compared: str = "") -> str:
    """A time that is no earlier than that of another row, though the clock may be."""
    latest = f"SELECT max({always_quote(column.name)}{compared}) FROM {table}"  # noqa: S608
    return f"GREATEST({now}, ({latest}))"


def _as_before(column: Column, told: Told) -> Filling | None:
    """What the last row says that has succeeded."""
    succeeded = [value for value in told.texts if not denies(column.name, value)]
    if not succeeded:
        return None
    return Filling(column.name, of_row=lambda _row: succeeded[-1])


def _of_numbers(column: Column, name: str, told: Told, table: str) -> Filling | None:
    if outcome := _outcome(name, "1", "0"):
        return Filling(column.name, outcome)
    if found := _BY_DURATION.fullmatch(name):
        return _duration(column, found["unit"])
    if _BY_COUNT.fullmatch(name):
        greatest = f"(SELECT max({always_quote(column.name)}) FROM {table})"  # noqa: S608 - quoted
        return Filling(column.name, f"(COALESCE({greatest}, 0) + 1)")
    if _BY_TIME.fullmatch(name):
        epoch = epoch_form(told.texts)
        if epoch is None:
            return None
        now = _no_earlier(column, f"CAST({epoch} AS {column.type})", table)
        return Filling(column.name, now)
    made = number_of_stem(told.of_files) if _BY_NUMBER.fullmatch(name) and told.all else None
    return made and Filling.of_name(column.name, made)


def _duration(column: Column, unit: str | None) -> Filling:
    """How long it took, in the unit that the column's name says, or that is usual for its type."""
    fraction = _FRACTION.fullmatch(column.type) is not None
    seconds = unit.startswith("s") if unit else fraction
    unknown = "0" if column.required else None

    def made(row: Row) -> str | None:
        if row.execution_ms is None:
            return unknown
        took = row.execution_ms / 1000 if seconds else row.execution_ms
        return str(took if fraction else round(took))

    return Filling(column.name, of_row=made)


def _as_other_rows(column: Column, told: Told) -> Filling | None:
    """As all other rows make it of the names of their migrations."""
    made = made_of_stem(told.of_files) if told.all else None
    return made and Filling.of_name(column.name, made)
