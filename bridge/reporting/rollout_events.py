"""The events of a rollout to many targets, which `bridge.events` has too.

They are apart, because no start of a single database has a use for them. Targets are their names:
no event holds an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bridge.reporting.escaping import in_one_line
from bridge.reporting.event import RolloutEvent
from bridge.reporting.numbers import counted, duration

_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStarted(RolloutEvent):
    """A wave begins: the one before it is over."""

    name: ClassVar[str] = "wave.started"
    level: ClassVar[str] = "info"

    #: Counted from 1, and how many there are.
    wave: int
    waves: int
    #: How many targets of it are behind, and how many it has.
    behind: int
    targets: int

    @property
    def sentence(self) -> str:
        """What a person reads."""
        of = f" of {self.targets}" if self.behind != self.targets else ""
        what = counted(self.behind, "target") if not of else f"{self.behind}{of} targets"
        return f"Wave {self.wave} of {self.waves}: {what} to bring up to date"

    def fields(self) -> dict[str, object]:
        """What the log as JSON has of it."""
        return {
            "wave": self.wave,
            "waves": self.waves,
            "behind": self.behind,
            "targets": self.targets,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEvent(RolloutEvent):
    """An event of one target."""

    level: ClassVar[str] = "info"

    #: Its name.
    target: str
    #: Counted from 1.
    wave: int
    #: For how long it has run.
    seconds: float = 0.0

    def fields(self) -> dict[str, object]:
        """What the log as JSON has of it."""
        return {"target": self.target, "wave": self.wave, "seconds": round(self.seconds, 3)}

    @property
    def _shown(self) -> str:
        return in_one_line(self.target)


class TargetStarted(TargetEvent):
    """A target was given to a worker."""

    name: ClassVar[str] = "target.started"

    __slots__ = ()

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return f"{self._shown}: started"


class TargetRunning(TargetEvent):
    """A target has been under way for long; told every minute."""

    name: ClassVar[str] = "target.running"

    __slots__ = ()

    @property
    def sentence(self) -> str:
        """What a person reads."""
        return f"{self._shown}  still running ({duration(self.seconds)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEnded(TargetEvent):
    """The run of a target is over."""

    #: The migrations that were applied.
    applied: tuple[str, ...] = ()
    #: How many targets are over by now, and how many there are to bring up to date.
    number: int
    of: int
    #: How many are over in a second, so far.
    rate: float

    def fields(self) -> dict[str, object]:
        """What the log as JSON has of it."""
        return {
            **TargetEvent.fields(self),
            "applied": list(self.applied),
            "number": self.number,
            "of": self.of,
            "rate": round(self.rate, 2),
        }

    @property
    def _counter(self) -> str:
        return f"[{self.number:>{len(str(self.of))}}/{self.of}]"


class TargetFinished(TargetEnded):
    """A target is up to date."""

    name: ClassVar[str] = "target.finished"

    __slots__ = ()

    @property
    def sentence(self) -> str:
        """What a person reads."""
        applied = f", {counted(len(self.applied), 'migration')}" if self.applied else ", nothing"
        took = duration(self.seconds)
        return f"{self._counter} {self._shown}  done in {took}{applied}  ({self.rate:.1f}/s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFailed(TargetEnded):
    """The run of a target failed, or a signal has ended it."""

    name: ClassVar[str] = "target.failed"
    level: ClassVar[str] = "error"

    #: As the command line would end with it.
    exit_code: int
    message: str
    #: Whether a signal ended it.
    interrupted: bool = False
    #: The target that has failed with the same message before; None where it is the first.
    same_as: str | None = None

    @property
    def sentence(self) -> str:
        """What a person reads: the message of the first one that failed in this way."""
        how = "stopped" if self.interrupted else "failed"
        head = f"{self._counter} {self._shown}  {how} after {duration(self.seconds)}"
        if self.same_as is not None:
            return f"{head}, as {in_one_line(self.same_as)}"
        return f"{head}: {self.message}"

    def fields(self) -> dict[str, object]:
        """What the log as JSON has of it."""
        return {
            **TargetEnded.fields(self),
            "exit_code": self.exit_code,
            "message": self.message,
            "interrupted": self.interrupted,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFinished(RolloutEvent):
    """The rollout is over, and all ledgers were read again, unless a signal has ended it."""

    name: ClassVar[str] = "rollout.finished"
    level: ClassVar[str] = "info"

    #: How many targets have which outcome.
    counts: Mapping[str, int]
    #: The targets that are not up to date, by name; the log as JSON has the first hundred.
    behind: tuple[str, ...]
    seconds: float

    @property
    def sentence(self) -> str:
        """What a person reads."""
        found = [f"{number} {outcome}" for outcome, number in self.counts.items() if number]
        return f"{', '.join(found) or 'no targets'}, in {duration(self.seconds)}"

    def fields(self) -> dict[str, Any]:
        """What the log as JSON has of it."""
        return {
            "counts": {key.replace(" ", "_"): number for key, number in self.counts.items()},
            "behind": list(self.behind[:_MOST]),
            "seconds": round(self.seconds, 3),
        }


#: All of them, in the order of a rollout.
EVENTS: tuple[type[RolloutEvent], ...] = (
    WaveStarted,
    TargetStarted,
    TargetRunning,
    TargetFinished,
    TargetFailed,
    RolloutFinished,
)
