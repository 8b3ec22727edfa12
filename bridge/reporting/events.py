"""The events of a run: one class for each, in the order of a run.

`--log-format json` writes them under the names and the keys that the documentation promises.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.reporting.event import Event, RolloutEvent

if TYPE_CHECKING:
    from bridge.reporting.rollout_events import (
        RolloutFinished,
        TargetFailed,
        TargetFinished,
        TargetRunning,
        TargetStarted,
        WaveStarted,
    )

__all__ = [
    "DatabaseChosen",
    "Direction",
    "Event",
    "MigrationBlocked",
    "MigrationEvent",
    "MigrationFailed",
    "MigrationFinished",
    "MigrationStarted",
    "Note",
    "Result",
    "RolloutEvent",
    "RolloutFinished",
    "Sentence",
    "Statement",
    "TargetFailed",
    "TargetFinished",
    "TargetRunning",
    "TargetStarted",
    "WaitingForLock",
    "WaitingForServer",
    "Warned",
    "WaveStarted",
    "Working",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # A start of a single database has no use for those of a rollout.
        if name in __all__:
            from bridge.reporting import rollout_events

            return getattr(rollout_events, name)
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)


class Direction(StrEnum):
    """Which function of a file runs."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


# A class without fields of its own needs no `@dataclass`: it is frozen as its base is. That
# decorator takes a third of a millisecond, and every start that has nothing to do pays for it.


@dataclass(frozen=True, slots=True)
class Sentence(Event):
    """An event that a person reads as a sentence."""

    #: The sentence; its words may change from one release to the next.
    message: str


class DatabaseChosen(Sentence):
    """The run is about to connect: to which database, as which role, and who named it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForServer(Sentence):
    """The server does not answer yet; told at once and every few seconds."""

    #: How long the run has waited so far, in seconds.
    seconds: float


class WaitingForLock(Sentence):
    """Another run migrates this database; told at once and every few seconds."""


class Note(Sentence):
    """Something was found out, and is in order."""


class Working(Sentence):
    """Something that takes long goes on. There may be many, each in place of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Sentence):
    """A person should know something, although the run goes on."""

    #: The id of the finding; None where it was not found before anything ran.
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Event):
    """These migrations are about to be run, or reverted, in this order."""

    #: The names of the files, without their suffixes.
    migrations: tuple[str, ...]
    direction: Direction

    @property
    def places(self) -> dict[str, int]:
        """The place of each of them, counted from 1."""
        return {stem: place for place, stem in enumerate(self.migrations, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationEvent(Event):
    """An event of one migration."""

    #: The name of the file, without its suffix.
    migration: str
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStarted(MigrationEvent):
    """A migration begins."""

    #: The description of the file, as it is written there.
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Event):
    """The migration is about to send an SQL statement."""

    #: The statement as the driver gets it, with placeholders.
    sql: str
    #: Their values, which can be customers' data: a mapping, a sequence, a list of these, or None.
    parameters: object


class MigrationBlocked(Sentence):
    """The migration waits for a lock, or is tried again because of one.

    It may be told by another thread, while the thread that migrates waits.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFinished(MigrationEvent):
    """A migration is done, and recorded."""

    #: How long it took, in seconds.
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFailed(MigrationEvent):
    """A migration failed and was rolled back; the error that tells why is raised after this."""

    #: How long it ran, in seconds.
    seconds: float
    #: Whether a signal ended it.
    interrupted: bool


class Result(Sentence):
    """The result of `eai migrate`; `bridge.upgrade` returns a Report instead."""
