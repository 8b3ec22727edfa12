"""End a command of `eai`: with a result, or with a sentence and an exit code.

The handling is in each command and not around them all, so that it also holds where a team has
mounted them in a command line of its own.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from typing import TYPE_CHECKING, Any, cast

from bridge.errors import BridgeError, Interrupted, MigrationError, UsageError
from bridge.reporting.escaping import escaped
from bridge.reporting.screen import Screen
from bridge.reporting.style import Style, Styled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.reporting.json import JsonReporter


@contextlib.contextmanager
def ending(
    screen: Screen,
    *,
    verbose: bool = False,
    json_reporter: JsonReporter | None = None,
    as_typed: Callable[[str], str] = str,
) -> Iterator[None]:
    """Turn the errors of bridge into a sentence on standard error and an exit code.

    Anything else is a bug, of bridge or of the team's env.py, and keeps its traceback. While
    `json_reporter` is on, its last event says instead how the command ended. `as_typed` makes the
    sentence name commands as this person types them.
    """
    try:
        yield
    except Interrupted as interrupted:
        screen.rest()
        sentence = as_typed(" ".join([str(interrupted), *getattr(interrupted, "__notes__", ())]))
        if json_reporter is not None and json_reporter.on:
            json_reporter.error(sentence, interrupted.exit_code)
        else:
            screen.say(sentence)
        raise
    except BridgeError as error:
        screen.rest()
        trace = _traceback_of(error) if verbose else None
        told = as_typed(str(error))
        if json_reporter is not None and json_reporter.on:
            finding = error.findings[0].id if error.findings else None
            json_reporter.error(told, error.exit_code, finding=finding, trace=trace)
        else:
            shown = [] if trace is None else [trace]
            screen.say(*shown, (Styled("Error:", Style.RED), f" {told}"))
        # Not typer.Exit: inside a group of Click's nobody would catch it.
        raise SystemExit(error.exit_code) from None
    except SystemExit as ended:
        if json_reporter is not None and json_reporter.on:
            json_reporter.ended(ended.code if isinstance(ended.code, int) else 1)
        raise
    except Exception as error:
        if json_reporter is None or not json_reporter.on:
            raise
        json_reporter.unexpected(error)
        raise SystemExit(1) from None
    else:
        if json_reporter is not None and json_reporter.on:
            json_reporter.ended(0)


def _traceback_of(error: BridgeError) -> str | None:
    """Return the traceback of a migration's own code.

    Of an error of the database the sentence says all there is, and its traceback would show
    the parameters: they can be customers' data. For the same reason no other error that led
    to this one is shown.
    """
    from psycopg2 import Error as DriverError
    from sqlalchemy.exc import StatementError

    cause = error.__cause__ if isinstance(error, MigrationError) else None
    if cause is None or isinstance(cause, (DriverError, StatementError)):
        return None
    return "".join(traceback.format_exception(cause, chain=False)).rstrip("\n")


def confirmed(question: str, *, refusal: str) -> bool:
    """Ask at the terminal; without one, raise `refusal` as the error. Its end (Ctrl-D) is a no."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(refusal)
    import typer

    try:
        return typer.confirm(escaped(question), err=True)
    except typer.Abort:
        sys.stderr.write("\n")
        return False


def in_order() -> None:
    """Let lines leave at once, so that a pipe or a file gets both streams in order."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            cast("Any", stream).reconfigure(line_buffering=True)
