"""What the formats for CI are made of: the findings of one command, each at its place.

A format is a function from a Report to a text. Nothing here writes, and nothing has a colour.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bridge.reporting.escaping import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.checks.rules import Problem


@dataclass(frozen=True, slots=True)
class Found:
    """One problem, as a report for CI tells it."""

    problem: Problem
    #: The file, by the path that the reader of the report knows it by.
    path: str
    #: Whether the command fails for it.
    fails: bool
    #: The same for as long as nobody corrects it, although other lines of the file come and go.
    fingerprint: str

    @property
    def text(self) -> str:
        """What is wrong, and what to do about it."""
        return readable(f"{self.problem.message} {self.problem.advice}".strip())


@dataclass(frozen=True, slots=True)
class Report:
    """What one command has looked at and found."""

    #: `check` or `lint`.
    command: str
    #: The release of bridge.
    version: str
    #: The files that were looked at, by the paths that the reader of the report knows.
    files: tuple[str, ...]
    found: tuple[Found, ...]
    #: All of it in a sentence.
    summary: str

    @classmethod
    def of(
        cls,
        problems: Iterable[Problem],
        *,
        command: str,
        version: str,
        files: Iterable[str],
        summary: str,
        fails: Callable[[Problem], bool],
        path: Callable[[str], str],
        line: Callable[[str, int], str],
    ) -> Self:
        """Make the report.

        `path` turns a path as the command tells it into that of the report, and `line` returns
        the text of a line of such a file, counted from 1.
        """
        times: Counter[tuple[str, ...]] = Counter()
        found = []
        for each in problems:
            where = readable(path(each.path))
            text = line(each.path, each.line) if each.line else ""
            same = (each.id, where, " ".join(text.split()))
            times[same] += 1
            fingerprint = _fingerprint(*same, str(times[same]))
            found.append(Found(each, where, fails(each), fingerprint))
        shown = tuple(readable(path(each)) for each in files)
        return cls(command, version, shown, tuple(found), readable(summary))


def readable(text: str) -> str:
    """Return the text without what no reader of a report takes: control characters, raw bytes."""
    return escaped(text).encode("utf-8", "backslashreplace").decode()


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()
