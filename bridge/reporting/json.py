"""A run as a machine follows it: one line of JSON for each event, on standard error.

The names of the events and of their fields are documented in the README, and stay as they are.
Parameters of statements are written only where that is asked for, and passwords never.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from bridge.errors import Interrupted
from bridge.reporting.reporter import Direction, Reporter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class JsonReporter(Reporter):
    """Writes events; `verbose` each SQL statement too. Safe to use from several threads."""

    def __init__(
        self,
        *,
        verbose: bool = False,
        show_parameters: bool = False,
        stream: IO[str] | None = None,
    ) -> None:
        #: Whether events are wanted: what a command line finds out before its configuration.
        self.on = True
        self.verbose = verbose
        self.show_parameters = show_parameters
        self._stream: IO[str] | None = sys.stderr if stream is None else stream
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._done: dict[Direction, list[str]] = {direction: [] for direction in Direction}
        self._failed: str | None = None
        self._result: str | None = None

    def tell(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Write one event; a reader that went away is no reason to stop the run."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"ts": now, "level": level, "event": event, **fields}, default=str)
        with self._lock, suppress(OSError, ValueError, AttributeError):
            self._stream.write(f"{line}\n")  # type: ignore[union-attr]
            self._stream.flush()  # type: ignore[union-attr]

    def database(self, description: str) -> None:
        self.tell("run.database", message=description)

    def unreachable(self, sentence: str, waited: float) -> None:
        self.tell("server.unreachable", level="warning", message=sentence, seconds=_rounded(waited))

    def waiting(self, sentence: str) -> None:
        self.tell("lock.waiting", message=sentence)

    def blocked(self, sentence: str) -> None:
        self.tell("migration.blocked", level="warning", message=sentence)

    def note(self, sentence: str) -> None:
        self.tell("note", message=sentence.strip())

    def warning(self, sentence: str, *, finding: str | None = None) -> None:
        self.tell("warning", level="warning", **_identified(finding), message=sentence)

    def started(self, stem: str, description: str, direction: Direction) -> None:
        self._failed = None
        self.tell(
            "migration.started",
            migration=stem,
            direction=str(direction),
            description=" ".join(description.split()),
        )

    def statement(self, statement: str, parameters: object) -> None:
        if self.verbose:
            shown = {"parameters": repr(parameters)} if parameters and self.show_parameters else {}
            self.tell("statement", level="debug", message=statement.strip(), **shown)

    def finished(self, stem: str, direction: Direction, seconds: float) -> None:
        self._done[direction].append(stem)
        self.tell(
            "migration.finished",
            migration=stem,
            direction=str(direction),
            seconds=_rounded(seconds),
        )

    def failed(self, stem: str, direction: Direction, seconds: float) -> None:
        stopped = isinstance(sys.exception(), Interrupted)
        self._failed = stem
        self.tell(
            "migration.failed",
            level="error",
            migration=stem,
            direction=str(direction),
            seconds=_rounded(seconds),
            interrupted=stopped,
        )

    def result(self, lines: Sequence[str]) -> None:
        self._result = "\n".join(lines)

    def ended(self, exit_code: int) -> None:
        """The last event of a run that has not failed."""
        self.tell("run.finished", exit_code=exit_code, message=self._result, **self._summary())

    def error(
        self,
        message: str,
        exit_code: int,
        *,
        finding: str | None = None,
        trace: str | None = None,
    ) -> None:
        """The last event of a run that has failed."""
        about = _identified(finding)
        if self._failed is not None:
            about["migration"] = self._failed
        shown = {} if trace is None else {"traceback": trace}
        fields: dict[str, Any] = {**about, **shown, **self._summary()}
        self.tell("error", level="error", exit_code=exit_code, message=message, **fields)

    def unexpected(self, error: Exception) -> None:
        """The last event of a run that met a bug, of bridge's or of an env.py.

        Only where it was: the text of an error of the database can hold parameters.
        """
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
        self.error(f"Unexpected {type(error).__name__}.", 1, trace=frames)

    @contextmanager
    def logging_told(self) -> Iterator[logging.Handler]:
        """A handler that makes an event of what is logged; of Python's warnings too, inside."""
        logging.captureWarnings(capture=True)
        try:
            yield _LogHandler(self)
        finally:
            logging.captureWarnings(capture=False)

    def _summary(self) -> dict[str, Any]:
        return {
            "applied": self._done[Direction.UPGRADE],
            "reverted": self._done[Direction.DOWNGRADE],
            "seconds": _rounded(time.monotonic() - self._began),
        }


class _LogHandler(logging.Handler):
    def __init__(self, reporter: JsonReporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()
        shown: dict[str, Any] = {}
        if record.exc_info:
            shown["traceback"] = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        message = record.getMessage()
        self._reporter.tell("log", level=level, logger=record.name, message=message, **shown)


def _identified(finding: str | None) -> dict[str, str]:
    return {} if finding is None else {"id": finding}


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
