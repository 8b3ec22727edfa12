"""The number of a migration as one ledger writes it: `4`, `004`, `V4` or `v0004`.

Data in, data out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from bridge.files.stems import number_of

_NUMBER: Final = re.compile(r"([vV]?)([0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class NumberForm:
    """What stands before the digits, and with how many zeros they begin."""

    letter: str = ""
    #: How many digits there are at least; None for as many as in the name of the file.
    width: int | None = 0

    @classmethod
    def recognise(cls, numbers: Collection[str], stems: Collection[str]) -> NumberForm:
        """The form that most of these numbers have; `stems` are those of all files."""
        parts = [(found[1], found[2]) for found in map(_NUMBER.fullmatch, numbers) if found]
        letters = Counter(letter for letter, _ in parts)
        letter = letters.most_common(1)[0][0] if letters else ""
        written = [digits for each, digits in parts if each == letter]
        if not any(digits[0] == "0" and len(digits) > 1 for digits in written):
            return cls(letter)
        as_named = {digits for digits in map(number_of, stems) if digits}
        of_files = {int(digits) for digits in as_named}
        widths = {len(digits) for digits in written}
        if len(widths) > 1 or all(d in as_named for d in written if int(d) in of_files):
            return cls(letter, None)
        return cls(letter, widths.pop())

    def of(self, stem: str) -> str:
        """The number of the file of this stem, which has one, in this form."""
        digits = number_of(stem)
        return self.letter + (digits if self.width is None else str(int(digits)).zfill(self.width))

    def fits(self, key: str) -> bool:
        """Return whether this is a number with the same letter; zeros do not count."""
        found = _NUMBER.fullmatch(key)
        return found is not None and found[1] == self.letter


#: `4`.
PLAIN: Final = NumberForm()


def value_of(key: str) -> int | None:
    """The number that a key is, with or without a letter; None if it is no number."""
    found = _NUMBER.fullmatch(key)
    return int(found[2]) if found else None
