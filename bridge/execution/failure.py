"""The message of a migration that failed: what happened, what stays, what to type next."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.database.driver_errors import first_line
from bridge.errors import BridgeError, Disturbed, Interrupted, LockLost, MigrationError
from bridge.execution.advice import CLOSED, advice, advice_on_imports
from bridge.execution.aftermath import Aftermath
from bridge.execution.attempt import Phase
from bridge.execution.causes import (
    BROKE,
    advice_on_right,
    advice_on_server,
    lacks_right,
)
from bridge.execution.refused_record import Tables, advice_on_record
from bridge.execution.second_connection import advice_on_second_connection
from bridge.execution.shown import cut, shown
from bridge.files.mode import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Aftermath):
    """What is known about a migration that failed."""

    show_parameters: bool
    tables: Tables
    #: The text of the file that was executed.
    source: str
    #: Whether it failed with a connection that was broken.
    cut_off: bool = False
    #: What is known about a lock that was not obtained, one sentence each.
    about_locks: Sequence[str] = ()
    #: What is known about a time limit that may have been reached, as a sentence or two.
    about_time: str | None = None

    @property
    def kind(self) -> type[BridgeError]:
        """The class of the error: whether it is enough to try again."""
        if isinstance(self.error, LockLost):
            return Disturbed
        if not self.cut_off or self.about_time or self.work.external or self._again():
            return MigrationError
        # To go back a number of steps is not to be repeated after some of them.
        steps = self._downgrades and (self.done or self._is_under_way)
        return MigrationError if steps or self._is_recorded is not True else Disturbed

    def describe(self) -> str:
        """Return the whole message, several lines of it."""
        parts = [
            self._headline(),
            *(f"  {line}" for line in self._cause().splitlines() if line.strip()),
            *self._statement(),
            *self._hints(),
            *self.about_locks,
            self.about_time,
            self._what_stays(),
            self._what_next(),
        ]
        return "\n".join(filter(None, parts))

    def describe_interruption(self, *, committed: bool) -> str:
        """Say what an interruption did to the migration that ran; `committed` if it was done."""
        line = line_of(self.error, self.path)
        where = f" at line {line}" if line else ""
        if self.scratch:
            return (
                f"{self.stem} was interrupted{where} ({self.path}), in a scratch database, which "
                f"is dropped again.\nTo go on, {self._to_do()}"
            )
        if committed:
            return (
                f"{self.stem} was just finished, and is recorded as {self._recorded_as}."
                f"{self._of_others()}\nTo go on, {self._to_do(done=len(self.done) + 1)}"
            )
        go_on = f"To go on, {self._again()}{self._to_do()}"
        if self._is_to_look_first:
            go_on = self._look_first()
        elif self._is_forgotten:
            go_on = self._both_ways("")
        return f"{self.stem} was interrupted{where} ({self.path}).\n{self._what_stays()}\n{go_on}"

    def _headline(self) -> str:
        line = line_of(self.error, self.path)
        if line:
            where = f", line {line}"
        elif self.phase is Phase.EXECUTE:
            where = ""
        elif self.phase is Phase.SETTLE:
            where = ", after its last line"
        else:
            where = ", while it was being recorded"
        verb = "failed" if self.direction == "upgrade" else "failed to downgrade"
        return f"{self.stem} {verb}: {self.path}{where}"

    def _cause(self) -> str:
        if isinstance(self.error, BridgeError):
            return str(self.error)
        if isinstance(self.error, SystemExit):
            return "The file called sys.exit(), so its migration did not finish."
        original = _original(self.error)
        if original is None:
            name, text = type(self.error).__name__, str(self.error)
            return f"{name}: {text}" if text else name
        return f"{type(original).__name__}: {self._driver_message(original)}"

    def _driver_message(self, original: Any) -> str:
        # The detail can hold a row of the table, so it is kept back like parameters are.
        diag: Any = getattr(original, "diag", None)
        primary = getattr(diag, "message_primary", None)
        if not primary:
            _, *rest = str(original).strip().splitlines() or [""]
            return "\n".join([first_line(original), *rest])
        lines = [str(primary)]
        if diag.message_detail and self.show_parameters:
            lines.append(f"DETAIL: {diag.message_detail}")
        if diag.message_hint:
            lines.append(f"HINT: {diag.message_hint}")
        if diag.context:
            lines.append(f"CONTEXT: {diag.context}")
        return "\n".join(lines)

    def _statement(self) -> list[str]:
        original = _original(self.error)
        if original is not None and original is self.work.check_failed:
            return ["  at the COMMIT, which checks deferred constraints", *self._hidden()]
        statement: object = None
        parameters: object = None
        direct = self.work.sent.last_failed
        if direct is not None and direct[2] is self.error:  # it went to the driver itself
            statement, parameters, _ = direct
        elif getattr(self.error, "orig", None) is not None:
            statement = getattr(self.error, "statement", None)
            parameters = getattr(self.error, "params", None)
        if not statement:
            return self._hidden()
        lines = ["  statement:", *(f"    {line}" for line in shown(str(statement)))]
        if parameters and self.show_parameters:
            lines.append(f"  parameters: {cut(repr(parameters))}")
        elif parameters:
            return [*lines, _HIDDEN]
        return [*lines, *self._hidden()]

    def _hidden(self) -> list[str]:
        diag: Any = getattr(_original(self.error), "diag", None)
        hidden = getattr(diag, "message_detail", None) and not self.show_parameters
        return [_HIDDEN] if hidden else []

    def _hints(self) -> list[str]:
        if self.work.sent.own_locks.found:
            return [self.work.sent.own_locks.found]
        if self.work.closed_by_file:
            return [] if str(self.error) == CLOSED else [CLOSED]
        error = self._driver_error
        if self._in_the_record and not self.work.gone:
            return self._about_record(error)
        if lacks_right(error):
            return [advice_on_right(error, self._role())]
        if self.work.broken and (self.work.unknown or self._is_under_way):
            return []  # that it broke is told with what is not known
        hint = (
            advice_on_second_connection(
                error, self.work.real, all_or_nothing=self.work.mode is Mode.ATOMIC
            )
            or advice(error)
            or advice_on_imports(error, self.source)
            or (None if self.about_time else advice_on_server(error))
        )
        if self.work.broken and not (hint or self.about_time):
            hint = BROKE
        return [hint] if hint else []

    def _about_record(self, error: BaseException) -> list[str]:
        taken_back = self._downgrades
        record = "that it is taken back" if taken_back else "that it is applied"
        ran = self.phase is not Phase.EXECUTE
        failed = (
            f"{'The file ran without an error' if ran else 'Nothing is wrong with the file'}. What "
            f"failed is to record {record}, in {self.tables.ledger} and "
            f"{self.tables.version_table}."
        )
        advised = "" if isinstance(error, BridgeError) else advice_on_record(error, self.tables)
        return [f"{failed} {advised}".strip()]

    def _role(self) -> str:
        if self.work.sent.hints.sets_role:
            return "the role that the file has set"
        return f"the role {self.tables.role}"


_HIDDEN = "  (parameters and details are hidden; --show-parameters shows them)"


def line_of(error: BaseException, path: str) -> int | None:
    """Return the innermost line of this file at which the error was raised."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return lines[-1] if lines else None


def looks_like_success(error: BaseException, path: str) -> bool:
    """Return whether this is the file's own ``sys.exit()``: exit status 0, and nothing recorded.

    A SystemExit from elsewhere, such as a service's handler of signals, is somebody's wish to end.
    """
    if not isinstance(error, SystemExit) or isinstance(error, Interrupted) or error.code:
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename == path


def _original(error: BaseException) -> Any:
    """Return the driver's own error: wrapped by SQLAlchemy, or from a cursor of the driver's."""
    return getattr(error, "orig", None) or (error if hasattr(error, "diag") else None)
