"""What a run tells while it goes on.

The migrator speaks to a Reporter; the command line writes lines, a service writes to its log,
a test keeps a list. Nothing here decides anything.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import StrEnum

log = logging.getLogger("bridge")


class Direction(StrEnum):
    """Which function of a file runs."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Reporter:
    """Tells nobody anything; the base of those that do."""

    #: What a person types to go on after a failure has been mended.
    command = "eai migrate"

    def database(self, description: str) -> None:
        """The run is about to connect to this database."""

    def unreachable(self, sentence: str, waited: float) -> None:
        """The server does not answer yet; `waited` is in seconds."""

    def waiting(self, sentence: str) -> None:
        """The run waits for somebody; told again every few seconds."""

    def blocked(self, sentence: str) -> None:
        """The migration that runs waits for a lock, or is tried again because of one.

        May be called by another thread, while this one waits.
        """
        self.waiting(sentence)

    def note(self, sentence: str) -> None:
        """Something that was found out, and is in order."""

    def warning(self, sentence: str, *, finding: str | None = None) -> None:
        """Something a person should know, although the run goes on.

        `finding` is its id where it was found before anything ran (see bridge.ledger.findings).
        """

    def started(self, stem: str, description: str, direction: Direction) -> None:
        """A migration begins."""

    def statement(self, statement: str, parameters: object) -> None:
        """The migration that runs is about to send this SQL statement."""

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        """A migration is done, and recorded."""

    def failed(self, stem: str, direction: Direction, seconds: float) -> None:
        """A migration failed; the error that tells why is raised after this."""

    def result(self, lines: Sequence[str]) -> None:
        """The run is done, and this is what a command has to say about it."""


class PassingReporter(Reporter):
    """Passes everything on to another one; the base of those that also take notes."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self.command = inner.command

    def database(self, description: str) -> None:
        self._inner.database(description)

    def unreachable(self, sentence: str, waited: float) -> None:
        self._inner.unreachable(sentence, waited)

    def waiting(self, sentence: str) -> None:
        self._inner.waiting(sentence)

    def blocked(self, sentence: str) -> None:
        self._inner.blocked(sentence)

    def note(self, sentence: str) -> None:
        self._inner.note(sentence)

    def warning(self, sentence: str, *, finding: str | None = None) -> None:
        self._inner.warning(sentence, finding=finding)

    def started(self, stem: str, description: str, direction: Direction) -> None:
        self._inner.started(stem, description, direction)

    def statement(self, statement: str, parameters: object) -> None:
        self._inner.statement(statement, parameters)

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        self._inner.finished(stem, direction, seconds)

    def failed(self, stem: str, direction: Direction, seconds: float) -> None:
        self._inner.failed(stem, direction, seconds)

    def result(self, lines: Sequence[str]) -> None:
        self._inner.result(lines)


class LogReporter(Reporter):
    """Writes to the logger ``bridge``: what a library does when nobody asked otherwise."""

    def database(self, description: str) -> None:
        log.info("%s", description)

    def unreachable(self, sentence: str, waited: float) -> None:
        log.warning("%s. Trying again (%.0f s so far).", sentence.rstrip("."), waited)

    def waiting(self, sentence: str) -> None:
        log.info("%s", sentence)

    def blocked(self, sentence: str) -> None:
        log.warning("%s", sentence)

    def note(self, sentence: str) -> None:
        log.info("%s", sentence)

    def warning(self, sentence: str, *, finding: str | None = None) -> None:  # noqa: ARG002
        log.warning("%s", sentence)

    def started(self, stem: str, description: str, direction: Direction) -> None:
        log.info("%s %s: %s", direction, stem, description)

    def statement(self, statement: str, parameters: object) -> None:  # noqa: ARG002
        log.debug("%s", statement)

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        log.info("%s %s: done in %.2f s", direction, stem, seconds)


def duration(seconds: float) -> str:
    """Return, for example, `0.4 s`, `35 s`, `2 min 5 s` or `3 h 12 min`."""
    if seconds < 10:  # noqa: PLR2004 - below it, tenths are of interest
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_of_hour = divmod(minutes, 60)
    return f"{hours} h {minutes_of_hour} min" if hours else f"{minutes} min {rest} s"
