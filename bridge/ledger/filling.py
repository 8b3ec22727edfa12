"""Fill columns of an adopted ledger that need a value, where their meaning is plain.

The tables of other runners have columns that bridge does not know. Where one takes no NULL and has
no default, a row needs a value for it: what its name and the other rows say, or nothing at all, and
then the row cannot be written. Data in, data out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.database.quoting import always_quote
from bridge.files.plain_file import PlainFile
from bridge.ledger.names import number_of
from bridge.ledger.table_facts import Column


@dataclass(frozen=True, slots=True)
class Filling:
    """What a row says in one column."""

    column: str
    #: As SQL, for all rows alike; None where it is made of the name of the migration.
    sql: str | None = None
    #: Makes it of the stem of the file.
    of_stem: Callable[[str], str] | None = None


_NUMBER = re.compile(r"[vV]?\d+[_-]*")


def _slug(stem: str) -> str:
    """What a name says beside its number, letter by letter."""
    return _NUMBER.sub("", stem, count=1)


#: How a runner may have written the name of a file, in the order in which they are tried.
_NAMES: Final[Mapping[str, Callable[[str], str]]] = {
    "stem": lambda stem: stem,
    "file": lambda stem: f"{stem}.py",
    "slug": _slug,
    "words": lambda stem: _slug(stem).replace("_", " "),
    "padded": lambda stem: PlainFile("", stem).number,
    "number": lambda stem: str(number_of(stem)),
}

_TEXT = re.compile(r"text|name|(\w+\.)?citext|character( varying)?(\(\d+\))?")
_WHOLE = re.compile("smallint|integer|bigint")
_TIME = re.compile(r"timestamp(\(\d\))? with(out)? time zone|date")

_BY_FILE = re.compile("(script|file)(_?name)?")
_BY_NAME = re.compile("name|migration(_name)?|version|title")
_BY_USER = re.compile("(installed|applied|executed|run|created|migrated)_(by|user)|user(_?name)?")
_BY_SUCCESS = re.compile("success(ful)?|succeeded|ok|done|completed")
_BY_COUNT = re.compile("batch(_(id|no|number))?|(installed_)?rank")
_BY_TIME = re.compile("(installed|applied|executed|run|created|migrated|completed)_(at|on|time)")
_BY_DURATION = re.compile(r"(execution(_time)?|duration|elapsed|took|runtime)_ms")

#: How a time is written where no row tells, in as much detail as there is room for.
_USUAL_TIMES = ("2024-01-01T00:00:00.000000Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00")
#: ISO 8601 as people write it: the day, a sign, the time, fractions of a second, the zone.
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,6}|)(Z|\+00(?::?00)?|)")


def filling(column: Column, values: Sequence[tuple[str, str]], *, table: str) -> Filling | None:
    """What to write into a column that must have a value; None if nobody can tell.

    `values` has the stem of each row and what the row holds in this column, as text, the last one
    last. `table` is the ledger's name, quoted for SQL.
    """
    name = column.name.lower()
    if _TEXT.fullmatch(column.type):
        return _of_text(column, name, values)
    if _TIME.fullmatch(column.type):
        return Filling(column.name, f"CAST(clock_timestamp() AS {column.type})")
    if column.type == "boolean" and _BY_SUCCESS.fullmatch(name):
        return Filling(column.name, "true")
    if _WHOLE.fullmatch(column.type):
        return _of_numbers(column, name, values, table)
    return None


def _of_text(column: Column, name: str, values: Sequence[tuple[str, str]]) -> Filling | None:
    if _BY_USER.fullmatch(name):
        user = "CAST(current_user AS text)"
        return Filling(column.name, f"left({user}, {column.width})" if column.width else user)
    if _BY_TIME.fullmatch(name):
        usual = (each for each in _USUAL_TIMES if column.holds(each))
        like = values[-1][1] if values else next(usual, "")
        form = iso_form(like)
        return None if form is None else Filling(column.name, form)
    by_file, by_name = _BY_FILE.fullmatch(name), _BY_NAME.fullmatch(name)
    if not (by_file or by_name):
        return None
    if not values:
        return Filling(column.name, of_stem=_NAMES["file" if by_file else "stem"])
    return _as_other_rows(column, values)


def _of_numbers(
    column: Column, name: str, values: Sequence[tuple[str, str]], table: str
) -> Filling | None:
    if _BY_SUCCESS.fullmatch(name):
        return Filling(column.name, "1")
    if _BY_DURATION.fullmatch(name):
        return Filling(column.name, "0")
    if _BY_COUNT.fullmatch(name):
        greatest = f"(SELECT max({always_quote(column.name)}) FROM {table})"  # noqa: S608 - quoted
        return Filling(column.name, f"(COALESCE({greatest}, 0) + 1)")
    return _as_other_rows(column, values) if _BY_NAME.fullmatch(name) and values else None


def _as_other_rows(column: Column, values: Sequence[tuple[str, str]]) -> Filling | None:
    """As all other rows make it of the names of their migrations."""
    for made in _NAMES.values():
        if all(value == made(stem) for stem, value in values):
            return Filling(column.name, of_stem=made)
    # The stem with something before and after it, such as a folder and a suffix.
    before, _, after = values[0][1].partition(values[0][0])
    if all(value == f"{before}{stem}{after}" for stem, value in values):
        return Filling(column.name, of_stem=lambda stem: f"{before}{stem}{after}")
    return None


def iso_form(value: str) -> str | None:
    """The SQL of a time now, written as this one is; None if it is not written in ISO 8601.

    Without a zone it is the time of the session, as of a runner that knows of none.
    """
    found = _ISO.fullmatch(value)
    if found is None:
        return None
    sign, fraction, zone = found.groups()
    now = "clock_timestamp() AT TIME ZONE 'UTC'" if zone else "clock_timestamp()"
    # Some leave zeros at the end out.
    digits = {0: "", 4: ".MS"}.get(len(fraction), ".US")
    ending = f'"{zone}"' if zone else ""
    return f"to_char({now}, 'YYYY-MM-DD\"{sign}\"HH24:MI:SS{digits}{ending}')"
