"""Show a run to a machine: one line of JSON for each event, on standard error.

The names of the events and of their fields are documented in docs/pages/events.md, and stay.
Parameters of statements are written only where that is asked for, and passwords never.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from bridge.reporting import events
from bridge.reporting.escaping import json_text
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


#: What each event is called here, and its level.
NAMES: dict[type[events.Event], tuple[str, str]] = {
    events.DatabaseChosen: ("run.database", "info"),
    events.WaitingForServer: ("server.unreachable", "warning"),
    events.WaitingForLock: ("lock.waiting", "info"),
    events.Note: ("note", "info"),
    events.Working: ("working", "info"),
    events.Warned: ("warning", "warning"),
    events.Planned: ("run.planned", "info"),
    events.MigrationStarted: ("migration.started", "info"),
    events.Statement: ("statement", "debug"),
    events.MigrationBlocked: ("migration.blocked", "warning"),
    events.MigrationFinished: ("migration.finished", "info"),
    events.MigrationFailed: ("migration.failed", "error"),
}


class JsonReporter(Reporter):
    """Writes events; `verbose` each SQL statement too. Safe to use from several threads."""

    def __init__(
        self,
        *,
        verbose: bool = False,
        show_parameters: bool = False,
        stream: IO[str] | None = None,
        about: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        #: What else each event has.
        self._about = about
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
        #: What became of the targets, after a rollout to many.
        self._targets: dict[str, object] = {}

    def tell(self, event: events.Event) -> None:
        """Write one event, and keep what the last event says of the whole run."""
        match event:
            case events.MigrationStarted():
                self._failed = None
            case events.MigrationFinished():
                self._done[event.direction].append(event.migration)
            case events.MigrationFailed():
                self._failed = event.migration
            case events.Result():
                self._result = event.message
                return
        if isinstance(event, events.RolloutEvent):
            self._hear(event)
            self.write(event.name, level=event.level, **event.fields())
        elif self.verbose or not isinstance(event, events.Statement):
            name, level = NAMES[type(event)]
            self.write(name, level=level, **self._fields(event))

    def _hear(self, event: events.RolloutEvent) -> None:
        if isinstance(event, events.RolloutFinished):
            self._targets = {"targets": event.fields()["counts"]}

    def write(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Write one line; a reader that went away is no reason to stop the run."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"ts": now, "level": level, "event": event, **self._about(), **fields}
        line = json_text(whole, default=str)
        with self._lock, suppress(OSError, ValueError, AttributeError):
            self._stream.write(f"{line}\n")  # type: ignore[union-attr]
            self._stream.flush()  # type: ignore[union-attr]

    def ended(self, exit_code: int) -> None:
        """Write the last event of a run that has not failed."""
        self.write("run.finished", exit_code=exit_code, message=self._result, **self._summary())

    def error(
        self,
        message: str,
        exit_code: int,
        *,
        finding: str | None = None,
        trace: str | None = None,
    ) -> None:
        """Write the last event of a run that has failed."""
        about = _identified(finding)
        if self._failed is not None:
            about["migration"] = self._failed
        shown = {} if trace is None else {"traceback": trace}
        fields: dict[str, Any] = {**about, **shown, **self._summary()}
        self.write("error", level="error", exit_code=exit_code, message=message, **fields)

    def unexpected(self, error: Exception) -> None:
        """Write the last event of a run that met a bug, of bridge's or of an env.py.

        Only where it was: the text of an error of the database can hold parameters.
        """
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
        self.error(f"Unexpected {type(error).__name__}.", 1, trace=frames)

    @contextmanager
    def logging_as_events(self) -> Iterator[logging.Handler]:
        """Yield a handler that turns what is logged, and Python's warnings, into events."""
        logging.captureWarnings(capture=True)
        try:
            yield _LogHandler(self)
        finally:
            logging.captureWarnings(capture=False)

    def _fields(self, event: events.Event) -> dict[str, object]:
        match event:
            case events.WaitingForServer():
                return {"message": event.message, "seconds": _rounded(event.seconds)}
            case events.Warned():
                return {**_identified(event.id), "message": event.message}
            case events.Note():
                return {"message": event.message.strip()}
            case events.Sentence():
                return {"message": event.message}
            case events.Planned():
                return {"migrations": list(event.migrations), "direction": event.direction}
            case events.MigrationStarted():
                return {**_of(event), "description": " ".join(event.description.split())}
            case events.MigrationFinished():
                return {**_of(event), "seconds": _rounded(event.seconds)}
            case events.MigrationFailed():
                took = _rounded(event.seconds)
                return {**_of(event), "seconds": took, "interrupted": event.interrupted}
            case events.Statement(sql=sql, parameters=parameters):
                shown = {"parameters": repr(parameters)} if self.show_parameters else {}
                return {"message": sql.strip(), **(shown if parameters else {})}
        return {}

    def _summary(self) -> dict[str, Any]:
        return {
            "applied": self._done[Direction.UPGRADE],
            "reverted": self._done[Direction.DOWNGRADE],
            "seconds": _rounded(time.monotonic() - self._began),
            **self._targets,
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
        self._reporter.write("log", level=level, logger=record.name, message=message, **shown)


def _of(event: events.MigrationEvent) -> dict[str, object]:
    return {"migration": event.migration, "direction": event.direction}


def _identified(finding: str | None) -> dict[str, str]:
    return {} if finding is None else {"id": finding}


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
