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
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.is_dir()]
    except OSError:
        return None
    if not _NUMBERED_FILES.fullmatch("/".join(names)):
        names = [name for name in names if name.endswith(".py") and name[0] not in "._"]
        if not _NUMBERED_FILES.fullmatch("/".join(names)):
            return None
    return sorted([name[:-3] for name in names])


def revision_id(stem: str) -> str:
    """Make the Alembic revision id of a migration; the same for an id that was mapped already."""
    return _NOT_IN_AN_ID.sub("_", stem)
