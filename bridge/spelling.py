"""Find the name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_SLIPS: Final = 2


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """Find the known name that `typed` is a misspelling of, or None.

    Ordinary words are near each other too, such as `translation` and `transaction`: two slips
    count only where the writer dropped, swapped or doubled letters.
    """
    near = [name for name in known if abs(len(typed) - len(name)) <= _MOST_SLIPS]
    found = [(_slips(typed, name), name) for name in near]
    meant = [
        (slips, name)
        for slips, name in found
        if slips <= 1 or (slips == _MOST_SLIPS and _same_letters(typed, name))
    ]
    return min(meant)[1] if meant else None


def _same_letters(typed: str, name: str) -> bool:
    letters, wanted = Counter(typed), Counter(name)
    return letters <= wanted or (letters >= wanted and set(letters) == set(wanted))


def _slips(left: str, right: str) -> int:
    """Count the letters that were dropped, added, changed or swapped with a neighbour."""
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
