"""One execution of one file, from its beginning to its record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from bridge.errors import Interrupted
from bridge.reporting import events

if TYPE_CHECKING:
    from bridge.execution.argument import Given
    from bridge.execution.work import Work
    from bridge.files.plain_file import PlainFile
    from bridge.reporting.events import Direction


class Phase(Enum):
    """How far a migration has come."""

    #: The file's function runs.
    EXECUTE = auto()
    #: It has returned; what must not be recorded is looked for.
    SETTLE = auto()
    #: The record is being written.
    RECORD = auto()
    #: The last COMMIT is under way.
    COMMIT = auto()


@dataclass
class Attempt:
    """One execution of one file."""

    file: PlainFile
    direction: Direction
    work: Work
    #: A reading of the monotonic clock, in seconds.
    began: float
    #: Whether the connection came in autocommit, and is to be left so.
    autocommit: bool
    given: Given | None = None
    phase: Phase = Phase.EXECUTE

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began

    def started(self) -> events.MigrationStarted:
        """Return the event before it."""
        description = self.file.header.description
        return events.MigrationStarted(
            migration=self.file.stem, direction=self.direction, description=description
        )

    def finished(self) -> events.MigrationFinished:
        """Return the event of its record."""
        return events.MigrationFinished(
            migration=self.file.stem, direction=self.direction, seconds=self.seconds()
        )

    def failed(self, error: BaseException) -> events.MigrationFailed:
        """Return the event of its failure."""
        return events.MigrationFailed(
            migration=self.file.stem,
            direction=self.direction,
            seconds=self.seconds(),
            interrupted=isinstance(error, Interrupted),
        )

    def milliseconds(self) -> int:
        """How long it has taken so far, as the ledger records it."""
        return round(self.seconds() * 1000)
