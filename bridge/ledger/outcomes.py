"""Find the rows that say that their migration did not succeed.

Some runners write a row before they begin, or keep the row of what has failed or was taken back,
and say so in a column of its own. Data in, data out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.ledger.history import Row

if TYPE_CHECKING:
    from bridge.ledger.state import State

#: Columns that say whether it succeeded, whether it did not, and what has become of it.
SUCCESS: Final = re.compile(
    "(is_|was_)?(success(ful)?|succeeded|ok|done|completed|applied)", re.IGNORECASE
)
FAILURE: Final = re.compile(
    r"(is_|was_)?(failed|rolled_?back|reverted|undone)(_(at|on))?", re.IGNORECASE
)
STATUS: Final = re.compile("(migration_)?(status|state|result|outcome)|direction", re.IGNORECASE)

_NO: Final = frozenset({"false", "f", "no", "n", "0"})
_NOT_DONE: Final = re.compile(
    r"fail(ed|ure)?|error(ed)?|pending|running|started|in[ _-]?progress|applying|down|"
    r"roll(ed)?[ _-]?back|reverted|undone|aborted|cancell?ed",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NotDone:
    """A row that says that its migration did not succeed."""

    row: Row
    #: The column that says so, and what it holds.
    column: str
    value: str
    #: What the column says of one that succeeded; None for NULL.
    success: str | None


def denies(column: str, value: str | None) -> bool:
    """Return whether a value in a column of this name says that a migration did not succeed."""
    if not value:
        return False
    if FAILURE.fullmatch(column):
        return value.lower() not in _NO
    if SUCCESS.fullmatch(column) and value.lower() in _NO:
        return True
    told = SUCCESS.fullmatch(column) or STATUS.fullmatch(column)
    return bool(told) and _NOT_DONE.fullmatch(value) is not None


def not_done(state: State) -> list[NotDone]:
    """The rows that say so, each once."""
    found: dict[int, NotDone] = {}
    for column, values in state.others.items():
        for place, value in enumerate(values):
            if value and denies(column, value):
                success = _success(state.layout.names[column], column, values)
                found.setdefault(place, NotDone(state.rows[place], column, value, success))
    return list(found.values())


def _success(kind: str, column: str, values: Sequence[str | None]) -> str | None:
    """What a row says in this column of a migration that succeeded."""
    told = next((value for value in values if value and not denies(column, value)), None)
    if told is not None or kind.startswith(("timestamp", "date")):
        return told
    good, bad = ("true", "false") if kind == "boolean" else ("1", "0")
    if FAILURE.fullmatch(column):
        return bad
    return "success" if STATUS.fullmatch(column) else good
