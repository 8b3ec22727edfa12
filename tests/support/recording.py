"""Events as tests make them, and a Reporter that keeps what it is told."""

from __future__ import annotations

from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter


def started(stem: str, description: str, direction: Direction) -> events.MigrationStarted:
    return events.MigrationStarted(migration=stem, direction=direction, description=description)


def finished(stem: str, direction: Direction, seconds: float) -> events.MigrationFinished:
    return events.MigrationFinished(migration=stem, direction=direction, seconds=seconds)


def failed(
    stem: str, direction: Direction, seconds: float, *, interrupted: bool = False
) -> events.MigrationFailed:
    return events.MigrationFailed(
        migration=stem, direction=direction, seconds=seconds, interrupted=interrupted
    )


class Recording(Reporter):
    """Keeps warnings, waits, and which migrations were begun, done and failed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.waits: list[str] = []
        self.begun: list[str] = []
        self.done: list[str] = []
        self.not_done: list[str] = []

    def tell(self, event: events.Event) -> None:
        match event:
            case events.Warned():
                self.warnings.append(event.message)
            case events.Note():
                self.notes.append(event.message)
            case events.WaitingForLock() | events.MigrationBlocked():
                self.waits.append(event.message)
            case events.MigrationStarted():
                self.begun.append(f"{event.direction} {event.migration}")
            case events.MigrationFinished():
                self.done.append(f"{event.direction} {event.migration}")
            case events.MigrationFailed():
                self.not_done.append(f"{event.direction} {event.migration}")
