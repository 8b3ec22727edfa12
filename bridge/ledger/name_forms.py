"""What a runner may write of the name of a file. Data in, data out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bridge.files.stems import behind_number, number_of
from bridge.ledger.number_form import NumberForm, value_of


def slug(stem: str) -> str:
    """What a name says beside its number, letter by letter."""
    return behind_number(stem).lstrip("_-")


def words(stem: str) -> str:
    """The same as people write it."""
    return re.sub("[_-]+", " ", slug(stem))


#: How the words after the number are written, in the order in which that is tried.
WORDS: Final[Mapping[str, Callable[[str], str]]] = {
    "slug": slug,
    "slug.py": lambda stem: f"{slug(stem)}.py",
    "words": words,
    "Words": lambda stem: words(stem).capitalize(),
    "Title": lambda stem: words(stem).title(),
}

#: How the whole name is.
WHOLE: Final[Mapping[str, Callable[[str], str]]] = {
    "stem": lambda stem: stem,
    "file": lambda stem: f"{stem}.py",
}


def made_of_stem(values: Sequence[tuple[str, str]]) -> Callable[[str], str] | None:
    """How all of these values are made of the stems beside them; None if nobody can tell."""
    for made in (*WHOLE.values(), *WORDS.values()):
        if all(value == made(stem) for stem, value in values):
            return made
    return number_of_stem(values) or _framed(values)


def number_of_stem(values: Sequence[tuple[str, str]]) -> Callable[[str], str] | None:
    """The same, where all of them are the numbers of these files."""
    numbers = [value for _, value in values]
    if all(number_of(stem) and value_of(value) == int(number_of(stem)) for stem, value in values):
        form = NumberForm.recognise(numbers, [stem for stem, _ in values])
        if all(map(form.fits, numbers)):
            return form.of
    return None


def _framed(values: Sequence[tuple[str, str]]) -> Callable[[str], str] | None:
    """The stem with something before and after it, such as a folder and a suffix."""
    before, _, after = values[0][1].partition(values[0][0])
    if all(value == f"{before}{stem}{after}" for stem, value in values):
        return lambda stem: f"{before}{stem}{after}"
    return None
