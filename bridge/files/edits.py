"""Edit a text of Python at the places that `ast` tells; nothing else of it changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_BLANKS: Final = " \t\f"


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """A part of a text, by its first and its last place, and what stands there instead."""

    start: int
    end: int
    replacement: str

    @classmethod
    def insert(cls, place: int, text: str) -> Edit:
        """Put something in front of a place."""
        return cls(place, place, text)


class Text:
    """A text whose lines end with a line feed, by the lines and columns of `ast`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def line(self, number: int) -> int:
        """Return where a line begins, counted from 1; the end of the text for the one after it."""
        return min(self._starts[number - 1], len(self._text))

    def place(self, line: int, column: int) -> int:
        """Return the place of a column, which `ast` counts in bytes."""
        before = self._lines[line - 1].encode("utf-8", "surrogatepass")[:column]
        return self._starts[line - 1] + len(before.decode("utf-8", "surrogatepass"))

    def after(self, place: int) -> str:
        """Return the text from this place on."""
        return self._text[place:]

    def indentation(self, line: int) -> str:
        """Return the white space at the beginning of a line."""
        text = self._lines[line - 1]
        return text[: len(text) - len(text.lstrip(_BLANKS))]

    def is_blank(self, line: int) -> bool:
        """Return whether there is nothing in this line, or no such line."""
        return line > len(self._lines) or not self._lines[line - 1].strip()

    def edited(self, edits: Iterable[Edit]) -> str:
        """Return the text with these edits, no two of which overlap."""
        parts, done = [], 0
        for edit in sorted(edits, key=lambda each: each.start):
            parts += [self._text[done : edit.start], edit.replacement]
            done = edit.end
        return "".join([*parts, self._text[done:]])
