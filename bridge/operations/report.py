"""The report of a run: what it has done, or would do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that a run has applied."""

    stem: str
    #: How long it took.
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run."""

    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration that would run."""

    stem: str
    description: str
    #: Whether its name sorts before one that was applied already.
    late: bool
