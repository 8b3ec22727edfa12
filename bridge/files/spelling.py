"""Which of our names a misspelt one was probably meant to be."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Final

#: The names a plain file may give a meaning to.
OUR_NAMES: Final = ("upgrade", "downgrade", "description", "transaction", "breaking")

_MOST_SLIPS: Final = 2


@lru_cache(maxsize=1024)  # the files of a folder have most names in common
def meant_for(name: str) -> str | None:
    """The one of OUR_NAMES that `name` nearly is, or None.

    A name with one of ours inside (`upgrade_users`, `descriptions`, `_upgrade`) is a name of its
    own. So is an ordinary word that happens to be near, such as `translation` or `prescription`:
    two slips count only where the writer dropped, swapped or doubled letters.
    """
    if any(ours in name for ours in OUR_NAMES):
        return None
    for ours in OUR_NAMES:
        if abs(len(name) - len(ours)) > _MOST_SLIPS:
            continue
        slips = _slips(name, ours)
        if slips == 1 or (slips <= _MOST_SLIPS and _same_letters(name, ours)):
            return ours
    return None


def _same_letters(name: str, ours: str) -> bool:
    typed, meant = Counter(name), Counter(ours)
    return typed <= meant or (typed >= meant and set(typed) == set(meant))


def _slips(left: str, right: str) -> int:
    """How many letters were dropped, added, changed or swapped with a neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
