"""The result of a rollout: what became of each target, and what that means for the whole.

Nothing in it can be an address: a target is its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any

from bridge.errors import TryAgain

_AGAIN = TryAgain.exit_code


class Outcome(StrEnum):
    """What became of one target."""

    #: It was behind, and has all migrations now.
    DONE = "done"
    #: It had them all when the rollout began, and was given to no worker.
    UP_TO_DATE = "up to date"
    #: Its run ended with an error; its message says what stayed.
    FAILED = "failed"
    #: A signal ended its run; the migration under way was rolled back.
    INTERRUPTED = "interrupted"
    #: Its run did not begin.
    NOT_STARTED = "not started"
    #: It was in the list when the rollout began, and was not any more when its run failed.
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """What became of one target."""

    target: str
    #: Counted from 1.
    wave: int
    outcome: Outcome
    #: That of its run, as the command line would end with it; 0 where none began.
    exit_code: int = 0
    #: The error, or why its run did not begin; "" for none.
    message: str = ""
    #: The migrations that were applied, in that order.
    applied: tuple[str, ...] = ()
    #: How long its run took.
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows."""
        return {
            "target": self.target,
            "wave": self.wave,
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "message": self.message,
            "applied": list(self.applied),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Rollout:
    """What became of all targets, in the order of their list."""

    results: tuple[TargetResult, ...]
    #: Those that were not up to date when all ledgers were read again at the end.
    behind: tuple[str, ...] = ()
    #: Why it ended early, if neither a failure nor a signal is the reason; "" for none.
    stopped: str = ""

    def of(self, outcome: Outcome) -> tuple[TargetResult, ...]:
        """Return the results with this outcome."""
        return tuple(each for each in self.results if each.outcome is outcome)

    @property
    def counts(self) -> dict[str, int]:
        """How many targets have which outcome; each outcome that there is has a key."""
        found = Counter(each.outcome for each in self.results)
        return {str(outcome): found[outcome] for outcome in Outcome}

    @property
    def up_to_date(self) -> bool:
        """Whether all ledgers, read again at the end, said so."""
        return not (self.behind or self.stopped or self.of(Outcome.FAILED))

    @property
    def exit_code(self) -> int:
        """The exit status of the command: 0, 1, 4, or 75 where another try is all it takes."""
        if self.up_to_date:
            return 0
        if self.stopped:
            return 1
        return exit_code_of(each.exit_code for each in self.of(Outcome.FAILED))


def exit_code_of(failures: Iterable[int]) -> int:
    """Return what failures with these exit statuses mean for the whole: the gravest of them.

    What can only be tried again is the least, and counts too where nothing failed at all: targets
    that have come, or have changed, while the rollout went on.
    """
    codes = set(failures)
    if codes <= {_AGAIN}:
        return _AGAIN
    return 4 if codes <= {2, 4, _AGAIN} else 1


@dataclass(frozen=True, slots=True)
class SameFailure:
    """A failure that several targets have in common."""

    message: str
    targets: tuple[str, ...]


def same_failures(results: Sequence[TargetResult]) -> tuple[SameFailure, ...]:
    """Return the failures, the most frequent first, each once with the targets that had it."""
    found: dict[str, list[TargetResult]] = {}
    for each in results:
        if each.outcome is Outcome.FAILED:
            found.setdefault(gist(each.message, each.target), []).append(each)
    by_number = sorted(found.values(), key=len, reverse=True)
    return tuple(
        SameFailure(group[0].message, tuple(each.target for each in group)) for group in by_number
    )


def gist(message: str, name: str) -> str:
    """Return what a failure has in common with the same one of another target.

    That is what happened, and where: the first line, and those that belong to it. What stays
    depends on what was pending there, and what to type next names the target.
    """
    first, *rest = unnamed(message, name).splitlines() or [""]
    return "\n".join([first, *takewhile(lambda line: line.startswith("  "), rest)])


def unnamed(message: str, name: str) -> str:
    """Return the message of a target with NUL in place of its name, which no text has."""
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", message)
