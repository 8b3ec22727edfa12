"""Whose name is this: which file of a folder is meant by what a ledger records.

A person, or another runner, may have written the name of a file in many ways. What a person would
still read as that file is found here, so that no such file ever runs a second time. Data in, data
out: no file is opened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from bridge.plainfile import name_keys

#: A suffix, and a part of a dotted module: a number in a name ("v1.2_fix") is neither.
_SUFFIX = re.compile(r"[^\W\d_]\w{0,15}")
_MODULE = re.compile(r"[^\W\d]\w*")
#: What some runners write before a number.
_BEFORE_NUMBER = re.compile(r"(?:migrations?|revisions?|versions?|rev|ver|v)_?(?=\d)")
_ZEROS = re.compile(r"0+(?=\d)")
_BETWEEN = re.compile(r"_{2,}")
_FOLDERS = re.compile(r"[/\\:]")


def canonical(name: str) -> str:
    """The form in which two spellings of one name are equal; empty if nothing can be read.

    Case, Unicode form, quotes, blanks, invisible characters, signs between words, runs of `_`, and
    zeros before the number do not count.
    """
    composed = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(_sign(character) for character in composed)
    return _ZEROS.sub("", _BEFORE_NUMBER.sub("", _BETWEEN.sub("_", kept).strip("_"), count=1), 1)


def _sign(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return character
    # Controls and formatting characters stand in nobody's way; anything else divides words.
    return "" if category in {"Cc", "Cf"} and not character.isspace() else "_"


def readings(name: str) -> frozenset[str]:
    """The canonical forms of what a recorded name may be, with and without folder and suffix."""
    last = [part for part in _FOLDERS.split(name) if canonical(part)][-1:]
    return frozenset(
        form for part in {name, *last} for each in _without_ends(part) if (form := canonical(each))
    )


def _without_ends(name: str) -> Iterator[str]:
    """A name without the modules before it, and without its suffixes, one by one."""
    parts = name.strip().split(".")
    start = 0
    while start < len(parts) - 1 and _MODULE.fullmatch(parts[start]):
        start += 1
    for first in {0, start}:
        end = len(parts)
        yield ".".join(parts[first:])
        while end > first + 1 and _is_suffix(parts[end - 1]):
            end -= 1
            yield ".".join(parts[first:end])


def _is_suffix(part: str) -> bool:
    return _SUFFIX.fullmatch(canonical(part)) is not None


def number_of(name: str) -> int | None:
    """The number that a name begins with; None if it begins with none."""
    digits = re.match(r"\d+", canonical(name), re.ASCII)
    return int(digits.group()) if digits else None


def slug_of(name: str) -> str:
    """What a name says beside its number; empty if it says nothing else."""
    return re.sub(r"^\d+_?", "", canonical(name), flags=re.ASCII)


@dataclass(frozen=True)
class Names:
    """The names of the files of one folder."""

    stems: tuple[str, ...]

    @classmethod
    def of(cls, stems: Iterable[str]) -> Names:
        """The names of these files."""
        return cls(tuple(stems))

    def meant_by(self, name: str) -> tuple[str, ...]:
        """The files that a recorded name may mean; none if a person would read it as none.

        The exact name goes before all others. More than one only where nobody can tell, as with a
        number that two files share.
        """
        if name in self._exact:
            return (name,)
        found = {stem for form in readings(name) for stem in self._by_form.get(form, ())}
        # Alembic could not tell such names apart, whatever a person reads.
        found |= {stem for key in name_keys(name) for stem in self._by_key.get(key, ())}
        if not found:
            found = set(self._by_reading.get(canonical(name), ()))
        if not found:
            found = {stem for each in readings(name) for stem in self._by_number.get(each, ())}
        return tuple(sorted(found))

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(self.stems)

    @cached_property
    def _by_form(self) -> dict[str, list[str]]:
        return _grouped((canonical(stem), stem) for stem in self.stems)

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        return _grouped((key, stem) for stem in self.stems for key in name_keys(stem))

    @cached_property
    def _by_reading(self) -> dict[str, list[str]]:
        """By what is left of a file's own name where a runner has cut it at a dot."""
        dotted = (stem for stem in self.stems if "." in stem)
        return _grouped((form, stem) for stem in dotted for form in readings(stem))

    @cached_property
    def _by_number(self) -> dict[str, list[str]]:
        numbered = ((number_of(stem), stem) for stem in self.stems)
        return _grouped((str(number), stem) for number, stem in numbered if number is not None)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form, stem in pairs:
        found.setdefault(form, []).append(stem)
    return found
