"""Find which file of a folder a recorded name means.

A person, or another runner, may have written the name of a file in many ways. What a person would
still read as that file is found here, so that no such file ever runs a second time. Data in, data
out: no file is opened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bridge.files.plain_file import name_keys

#: A suffix, and a part of a dotted module: a number ("1.2", "v1.2") is neither.
_SUFFIX = re.compile(r"(?:[^\W\d_]\w{0,15})?")
_MODULE = re.compile(r"\W*(?![vV]\d+(?:\.\d+)+(?:\.[^\W\d]\w*)?$)[^\W\d]")
#: What some runners write before a number.
_BEFORE_NUMBER = re.compile(r"^(?:migrations?|revisions?|versions?|rev|ver|v)_?(?=\d)")
_ZEROS = re.compile(r"^0+(?=\d)")
_BETWEEN = re.compile(r"_{2,}")
_FOLDERS = re.compile(r"[/\\:]")
#: Letters and marks that no screen shows, beside controls and formatting characters.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def canonical(name: str) -> str:
    """The form in which two spellings of one name are equal; empty if nothing can be read.

    Case, Unicode form, quotes, blanks, invisible characters, signs between words, runs of `_`, and
    zeros before the number do not count.
    """
    return _ZEROS.sub("", _with_zeros(name))


def _with_zeros(name: str) -> str:
    """Return the same form, with its zeros."""
    kept = "".join(_sign(character) for character in _UNSEEN.sub("", _caseless(name)))
    return _BEFORE_NUMBER.sub("", _BETWEEN.sub("_", kept).strip("_"))


def _caseless(name: str) -> str:
    """Return the name without case and form, as Unicode compares names."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFD", name).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return unicodedata.normalize("NFKC", folded)


def _sign(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return character
    # Controls and formatting characters stand in nobody's way; anything else divides words.
    return "" if category in {"Cc", "Cf"} and not character.isspace() else "_"


def readings(name: str) -> tuple[str, ...]:
    """The canonical forms of what a recorded name may be, with and without folder and suffix.

    The whole name comes first, and what is left of it without anything around it last.
    """
    return tuple(dict.fromkeys(filter(None, map(canonical, _parts(name)))))


def _parts(name: str) -> Iterator[str]:
    """A name with and without the folders and modules before it, each without its suffixes."""
    yield from _without_suffixes(name)
    for part in [part for part in _FOLDERS.split(name) if canonical(part)][-1:]:
        yield from _without_suffixes(part)
        while (dot := part.find(".")) >= 0 and _MODULE.match(part):
            part = part[dot + 1 :]  # noqa: PLW2901
            yield from _without_suffixes(part)


def _without_suffixes(name: str) -> Iterator[str]:
    yield name
    while (dot := name.rfind(".")) > 0 and _is_suffix(name[dot + 1 :]):
        name = name[:dot]
        yield name


def _is_suffix(part: str) -> bool:
    return not _FOLDERS.search(part) and _SUFFIX.fullmatch(canonical(part)) is not None


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
        forms = readings(name)
        found = _first(self._by_form, forms)
        # Alembic could not tell such names apart, whatever a person reads.
        found |= {stem for key in name_keys(name) for stem in self._by_key.get(key, ())}
        found = found or _first(self._by_beginning, forms) or _first(self._by_number, forms)
        return tuple(sorted(_nearest(name, found)))

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
    def _by_beginning(self) -> dict[str, list[str]]:
        """Find the files whose name a runner has cut at a dot."""
        return _grouped(
            (canonical(stem[: dot.start()]), stem)
            for stem in self.stems
            for dot in re.finditer(r"\.", stem)
        )

    @cached_property
    def _by_number(self) -> dict[str, list[str]]:
        numbered = ((number_of(stem), stem) for stem in self.stems)
        return _grouped((str(number), stem) for number, stem in numbered if number is not None)


def _first(groups: Mapping[str, Sequence[str]], forms: Iterable[str]) -> set[str]:
    """Return the files of the first of these forms that any file has."""
    return set(next((groups[form] for form in forms if form in groups), ()))


def _nearest(name: str, stems: Collection[str]) -> Collection[str]:
    """Of files with one canonical form those of which less was to be passed over, if any."""
    for form in (str, _with_zeros) if len(stems) > 1 else ():
        forms = {form(part) for part in _parts(name)}
        if near := [stem for stem in stems if form(stem) in forms]:
            return near
    return stems


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form, stem in pairs:
        found.setdefault(form, []).append(stem)
    return found
