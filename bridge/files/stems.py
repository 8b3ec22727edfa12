"""The stems of migrations: those that a folder lists, and what Alembic calls them.

It opens no file, makes no objects and raises nothing: for the start that has nothing to do.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: One or more names of such files with a number, divided by what no name of a file holds. In one
#: folder the number has no letter before it, or always the same.
_NUMBERED_FILES: Final = re.compile(
    "|".join(rf"(?:{letter}[0-9][a-z0-9_]{{0,253}}\.py(?:/|\Z))+" for letter in ("", "v", "V"))
)
#: The number at the beginning of a name, with the letter that some teams write before it, and what
#: is behind it.
_NUMBERED: Final = re.compile("([vV]?)([0-9]+)(.*)", re.DOTALL)

#: What Alembic cannot have in a revision id, or would read as a part of a relative one.
_NOT_IN_AN_ID: Final = re.compile(r"[^A-Za-z0-9_]")


def ordinary_stems(folder: str) -> list[str] | None:
    """List the stems that `scan` would find, in order; None where it has to look more closely.

    Quick, for the start that has nothing to do: it makes no objects, and raises nothing.
    """
    names: list[str] = []
    no_files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                # Only of a link does the system have to be asked what it is.
                (names if entry.is_file() else no_files).append(entry.name)
    except OSError:
        return None
    if any(map(is_looked_at, no_files)):
        return None
    if not _NUMBERED_FILES.fullmatch("/".join(names)):
        # As is_looked_at, without a call for each.
        names = [name for name in names if name.endswith(".py") and name[0] not in "._"]
        if not _NUMBERED_FILES.fullmatch("/".join(names)):
            return None
    return sorted([name[:-3] for name in names])


def is_looked_at(name: str) -> bool:
    """Return whether a file of this name may be a migration, or was meant to be one."""
    return name.endswith(".py") and name[0] not in "._"


def number_of(stem: str) -> str:
    """Return the digits that a name begins with, behind a `v` or `V`; leading zeros included."""
    match = _NUMBERED.match(stem)
    return match[2] if match else ""


def letter_of(stem: str) -> str:
    """Return the `v` or `V` before the number; empty if there is none."""
    match = _NUMBERED.match(stem)
    return match[1] if match else ""


def behind_number(stem: str) -> str:
    """Return what stands behind the number; the whole name if there is none."""
    match = _NUMBERED.match(stem)
    return match[3] if match else stem


def numbered(stems: Iterable[str]) -> list[str]:
    """Choose those that are migrations by their names, of all stems of a folder.

    Beside numbers without a letter, one with a letter is none: that would part the order.
    """
    beginning = [stem for stem in stems if number_of(stem)]
    return [stem for stem in beginning if not letter_of(stem)] or beginning


def revision_id(stem: str) -> str:
    """Make the Alembic revision id of a migration; the same for an id that was mapped already."""
    return _NOT_IN_AN_ID.sub("_", stem)
