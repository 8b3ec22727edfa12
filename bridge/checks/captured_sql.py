"""Capture the statements that migrations send, each with the line of the file that sends it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg2 import Error as DriverError

from bridge.database.literals import NoLiteralError, literal
from bridge.execution.loading import lines_on_stack
from bridge.files.plain_file import PlainFile
from bridge.reporting import events
from bridge.reporting.reporter import Reporter

#: A parameter, or a percent sign, in a statement for psycopg2.
PLACEHOLDER: Final = re.compile(r"%\((?P<name>\w+)\)s|%s|%%")


@dataclass(frozen=True, slots=True)
class CapturedStatement:
    """A statement that a file has sent."""

    #: As SQLAlchemy gave it to the driver.
    statement: str
    #: The lines of the file that were being executed, the innermost first.
    lines: tuple[int, ...]
    #: As SQL, with parameters in it and as many lines as the statement.
    sql: str = field(compare=False)


class Catcher(Reporter):
    """Keeps what the wanted files send; passes on what a waiting person must know, and how far."""

    def __init__(self, inner: Reporter, folder: str, wanted: Collection[str]) -> None:
        self._inner = inner
        self._folder = folder
        #: The statements of each wanted file, by its stem; the dicts are ordered sets.
        self._captured: dict[str, dict[CapturedStatement, None]] = {stem: {} for stem in wanted}
        self._running = ""
        self._places: dict[str, str] = {}

    def of(self, stem: str) -> list[CapturedStatement]:
        """List what this file has sent; a statement that a loop repeats stands there once."""
        return list(self._captured.get(stem, ()))

    def tell(self, event: events.Event) -> None:
        """Keep the statement that is about to be sent; pass on for what the run waits."""
        match event:
            case events.WaitingForServer() | events.WaitingForLock() | events.MigrationBlocked():
                self._inner.tell(event)
            case events.Planned(places=places):
                of = len(places)
                self._places = {stem: f"{place} of {of}" for stem, place in places.items()}
            case events.MigrationStarted(migration=stem):
                self._running = stem
                place = self._places.get(stem, "to be rolled back")
                self._inner.tell(events.Working(f"running {stem} ({place})"))
                if stem in self._captured:
                    self._captured[stem] = {}  # a file that is tried again begins anew
            case events.Statement() if self._running in self._captured:
                self._keep(event.sql, event.parameters)

    def _keep(self, statement: str, parameters: object) -> None:
        first = parameters[0] if isinstance(parameters, list) and parameters else parameters
        lines = tuple(lines_on_stack(PlainFile(self._folder, self._running).path))
        captured = CapturedStatement(statement, lines, as_sql(statement, first))
        self._captured[self._running].setdefault(captured)


def as_sql(statement: str, parameters: Any) -> str:
    """Write a statement for psycopg2 as SQL that a parser can read; its lines stay its lines."""
    if parameters is None:  # the one value for which psycopg2 leaves a % alone
        return statement
    named: Mapping[str, Any] = parameters if isinstance(parameters, Mapping) else {}
    positional = iter(() if isinstance(parameters, Mapping) else parameters)

    def written(placeholder: re.Match[str]) -> str:
        if placeholder[0] == "%%":
            return "%"
        name = placeholder["name"]
        return _literal(named.get(name) if name else next(positional, None))

    return PLACEHOLDER.sub(written, statement)


def _literal(value: object) -> str:
    try:
        # A line break in a value would move the lines after it; the value itself does not matter.
        return literal(value).replace("\n", " ").replace("\r", " ")
    except (NoLiteralError, DriverError, ValueError, TypeError):
        return "NULL"
