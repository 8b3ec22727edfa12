"""Make a group of commands that a team can mount in a command line of its own.

Typer's and Click's groups can both take it in.
"""

from __future__ import annotations

import contextlib
import io
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from bridge.cli import help as help_
from bridge.cli.other_words import other_word
from bridge.reporting.screen import Screen
from bridge.reporting.style import Style, Styled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: What Typer raises for a wrong option; its own class since it no longer depends on Click.
_ClickException: Any = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)


#: How Click and Typer begin what is wrong.
_ERROR = "Error: "
#: Options of the group's that each of its commands has too, unless it has no use for them.
_OF_COMMANDS = frozenset({"--target", "--all", "--targets"})


class MountableGroup(TyperGroup):
    """A group of commands that also works inside a group of Click's.

    Typer and Click each catch only the exceptions of their own that end a command (`--help` ends
    with one), so inside the other's group they become the SystemExit they stand for.
    """

    #: What is typed for it, where that is not how it is mounted.
    prog: str | None = None
    #: The configuration to read where none is typed; None to look for one.
    config: Path | None = None
    #: Options of the group's that are for it alone, as it is typed without a command.
    own: frozenset[str] = frozenset()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole help, as it is laid out here, in whatever command line this is."""
        self.rich_markup_mode = None
        with help_.named(self, ctx):
            super().format_help(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what it does."""
        del ctx
        help_.write(formatter, help_.divided(self.help)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        help_.write_commands(self, ctx, formatter)
        help_.write_options(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write examples and exit codes, which stand next to the prompt then."""
        del ctx
        help_.write(formatter, help_.divided(self.help)[1])

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """Find the command; say which one is meant by a word of another tool."""
        try:
            return super().resolve_command(ctx, args)
        except _ClickException as error:
            meant = self._meant(ctx, args[0])
            if meant is None:
                raise
            error.message = f"No such command {args[0]!r}. {meant}"
            raise

    def _meant(self, ctx: Any, word: str) -> str | None:
        inner = self.commands.get("migrate")
        if isinstance(inner, MountableGroup):  # the name of the group was left out
            return other_word(word, group=f"{help_.typed(ctx)} migrate", commands=inner.commands)
        return other_word(word, group=help_.typed(ctx)) if "status" in self.commands else None

    def get_params(self, ctx: Any) -> Any:
        """Return the options, which are read only where they were given."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            if "process_value" not in vars(param):
                param.process_value = partial(_read_if_given, param, param.process_value)
        return params

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Read the arguments."""
        with _ended_for(parent), _laid_out():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, or the one of its commands that was named."""
        with _ended_for(ctx.parent), _laid_out(), self._saying_where(ctx):
            return super().invoke(ctx)

    @contextlib.contextmanager
    def _saying_where(self, ctx: Any) -> Iterator[None]:
        """Say where an option of this group's stands that was given to one of its commands."""
        try:
            yield
        except _ClickException as error:
            option, at = getattr(error, "option_name", None), getattr(error, "ctx", None)
            ours: Any = next((each for each in self.params if option in each.opts), None)
            if ours and option not in _OF_COMMANDS and at and at.parent is ctx:
                value = f" {ours.metavar}" if ours.metavar else ""
                group = help_.typed(ctx)
                where = (
                    f"It is for {group} itself: {group} {option}{value}"
                    if option in self.own
                    else f"Write it before {at.info_name}: {group} {option}{value} {at.info_name}"
                )
                # Some end with a full stop.
                error.message = f"{error.message.removesuffix('.')}. {where}"
                error.possibilities = None  # this is the one
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


@contextlib.contextmanager
def _laid_out() -> Iterator[None]:
    """Let wrong usage be shown as all other errors are, whoever catches it."""
    try:
        yield
    except _ClickException as error:
        error.show = partial(_show, error)
        raise


def _show(error: Any, file: Any = None) -> None:
    """Show the usage as Click or Typer does, and the error with what to type on its own line."""
    written = io.StringIO()
    type(error).show(error, written)
    usage, begin, message = written.getvalue().rstrip("\n").rpartition(_ERROR)
    screen = Screen(file)
    if usage.strip():
        screen.say(*((Styled(each, Style.DIM),) for each in usage.rstrip("\n").split("\n")), "")
    screen.say((Styled(begin.strip(), Style.RED), f" {message}") if begin else message)


def _context_class() -> type:
    # typer.Context is a subclass of the class that Typer makes its contexts from.
    return typer.Context.__mro__[1]
