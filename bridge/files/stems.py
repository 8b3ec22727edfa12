"""The stems of migrations: those that a folder lists, and what Alembic calls them.

It opens no file, makes no objects and raises nothing: for the start that has nothing to do.
"""

from __future__ import annotations

import os
import re
from typing import Final

#: One or more names of such files with a number, divided by what no name of a file holds.
_NUMBERED_FILES: Final = re.compile(r"(?:[0-9][a-z0-9_]{0,254}\.py(?:/|\Z))+")

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


def revision_id(stem: str) -> str:
    """Make the Alembic revision id of a migration; the same for an id that was mapped already."""
    return _NOT_IN_AN_ID.sub("_", stem)
