"""A Reporter that keeps what it is told."""

from __future__ import annotations

from bridge.reporting.reporter import Direction, Reporter


class Recording(Reporter):
    """Keeps warnings, waits, and which migrations were begun, done and failed."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.waits: list[str] = []
        self.begun: list[str] = []
        self.done: list[str] = []
        self.not_done: list[str] = []

    def warning(self, sentence: str, *, finding: str | None = None) -> None:
        self.warnings.append(sentence)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def waiting(self, sentence: str) -> None:
        self.waits.append(sentence)

    def started(self, stem: str, description: str, direction: Direction) -> None:
        self.begun.append(f"{direction} {stem}")

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        self.done.append(f"{direction} {stem}")

    def failed(self, stem: str, direction: Direction, seconds: float) -> None:
        self.not_done.append(f"{direction} {stem}")
