"""End a command of `eai`: with a result, or with a sentence and an exit code.

The handling is in each command and not around them all, so that it also holds where a team has
mounted them in a command line of its own.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from bridge.errors import BridgeError, Interrupted, MigrationError, UsageError
from bridge.reporting.escaping import escaped
from bridge.reporting.screen import Screen, Style, Styled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.reporting.json import JsonReporter

#: What Typer raises for a wrong option; its own class since it no longer depends on Click.
_ClickException: Any = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)


class MountableGroup(TyperGroup):
    """A group of commands that also works inside a group of Click's.

    Typer and Click each catch only the exceptions of their own that end a command (`--help` ends
    with one), so inside the other's group they become the SystemExit they stand for.
    """

    def get_params(self, ctx: Any) -> Any:
        """Return the options, which are read only where they were given."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            if "process_value" not in vars(param):
                param.process_value = partial(_read_if_given, param, param.process_value)
        return params

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read the arguments."""
        with _ended_for(parent):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, or the one of its commands that was named."""
        with _ended_for(ctx.parent), self._saying_where(ctx):
            return super().invoke(ctx)

    @contextlib.contextmanager
    def _saying_where(self, ctx: Any) -> Iterator[None]:
        """Say where an option of this group's stands that was given to one of its commands."""
        try:
            yield
        except _ClickException as error:
            option, at = getattr(error, "option_name", None), getattr(error, "ctx", None)
            ours: Any = next((each for each in self.params if option in each.opts), None)
            if ours and at and at.parent is ctx:
                value = f" {ours.metavar}" if ours.metavar else ""
                error.message += (
                    f". Write it before {at.info_name}: {ctx.command_path} {option}{value} "
                    f"{at.info_name}"
                )
            raise


def _read_if_given(param: Any, read: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    """Leave alone what was not typed: Typer loads all of Pydantic to find that None is None."""
    default = value is None or (value is param.default and isinstance(value, str | bool))
    if not default or param.required or param.multiple or param.nargs != 1:
        return read(ctx, value)
    return value if param.callback is None else param.callback(ctx, param, value)


@contextlib.contextmanager
def _ended_for(parent: object) -> Iterator[None]:
    if parent is None or isinstance(parent, typer.Context | _context_class()):
        yield
        return
    try:
        yield
    except typer.Exit as ended:
        raise SystemExit(ended.exit_code) from None
    except _ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from None
    except typer.Abort:
        sys.stderr.write("Aborted.\n")
        raise SystemExit(1) from None


def _context_class() -> type:
    # typer.Context is a subclass of the class that Typer makes its contexts from.
    return typer.Context.__mro__[1]


@contextlib.contextmanager
def ending(
    screen: Screen, *, verbose: bool = False, json_reporter: JsonReporter | None = None
) -> Iterator[None]:
    """Turn the errors of bridge into a sentence on standard error and an exit code.

    Anything else is a bug, of bridge or of the team's env.py, and keeps its traceback. While
    `json_reporter` is on, its last event says instead how the command ended.
    """
    try:
        yield
    except Interrupted as interrupted:
        screen.rest()
        sentence = " ".join([str(interrupted), *getattr(interrupted, "__notes__", ())])
        if json_reporter is not None and json_reporter.on:
            json_reporter.error(sentence, interrupted.exit_code)
        else:
            screen.say(sentence)
        raise
    except BridgeError as error:
        screen.rest()
        trace = _traceback_of(error) if verbose else None
        if json_reporter is not None and json_reporter.on:
            finding = error.findings[0].id if error.findings else None
            json_reporter.error(str(error), error.exit_code, finding=finding, trace=trace)
        else:
            shown = [] if trace is None else [trace]
            screen.say(*shown, (Styled("Error:", Style.RED), f" {error}"))
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
    """Ask at the terminal; without one, raise `refusal` as the error."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(refusal)
    return typer.confirm(escaped(question), err=True)


def in_order() -> None:
    """Let lines leave at once, so that a pipe or a file gets both streams in order."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            cast("Any", stream).reconfigure(line_buffering=True)
