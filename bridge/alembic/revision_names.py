"""Resolve what a person types for a revision: a file's name, its beginning, or the id.

Pure: names in, names or sentences out. Alembic's own words (head, base, +1) are left to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from bridge.files.stems import revision_id

#: A name, and what may follow it: the one after it, the two before it.
_RELATIVE = re.compile(r"(?P<name>.*?)(?P<steps>[+-][0-9]+)?", re.DOTALL)
#: How many names a message shows before it only counts them.
_SHOWN = 8


def as_revision(given: str, stems: Collection[str]) -> str:
    """Return what Alembic understands for `given`: a stem becomes its id, the rest stays.

    A stem may hold characters that an id cannot, so `004_add-index`, `004_add-i` and
    `004_add-index+1` are translated. A whole stem is taken before a relative one.
    """
    match = _RELATIVE.fullmatch(given)
    name, steps = match.group("name", "steps") if match else (given, None)
    if given in stems:
        return revision_id(given)
    if name in stems:
        return revision_id(name) + (steps or "")
    if any(stem.startswith(given) for stem in stems):
        return revision_id(given)
    if any(stem.startswith(name) for stem in stems):
        return revision_id(name) + (steps or "")
    return given


def unknown_revision(
    given: str, stems: Collection[str], folder: str, *, to_alembic: bool = False
) -> str:
    """Return the sentence for a name that means no migration, or more than one.

    `to_alembic` says that it was given to the command ``alembic``.
    """
    listing = "alembic history" if to_alembic else "eai migrate status"
    fitting = sorted(stem for stem in stems if revision_id(stem).startswith(revision_id(given)))
    if len(fitting) < 2:  # noqa: PLR2004 - one that fits would have been found
        return (
            f"No migration is called {given!r}, and none begins like that: neither a file in "
            f"{folder} nor a migration that this database records. To see them, type: "
            f"{listing}"
        )
    shown = ", ".join(fitting[:_SHOWN])
    more = f" and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
    return (
        f"{given!r} may mean any of {len(fitting)} migrations: {shown}{more}. Several files may "
        f"share a number, so write the whole name, for example {fitting[-1]}"
    )
