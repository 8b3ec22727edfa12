"""Write the help of `eai`: its commands before its options, examples as they are typed here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

from typer.core import TyperCommand

from bridge.cli.options import GROUP

#: What begins the examples and the exit codes.
_TABLES = "\n\n\b\n"
#: Longer than any first sentence: it is wrapped, and not cut.
_WHOLE = 1000

#: As people type it; a group that is mounted has it as well.
CONTEXT = {"help_option_names": ["-h", "--help"]}


def typed(ctx: Any) -> str:
    """Return what a person types for this command: what `make` was told, else how it is mounted."""
    names: list[str] = []
    while ctx is not None:
        prog = getattr(ctx.command, "prog", None)
        if prog:
            return " ".join([prog, *reversed(names)])
        if ctx.parent is None:
            return " ".join([ctx.command_path, *reversed(names)])
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return GROUP


class Command(TyperCommand):
    """A command of the group, whose examples name the group as it is mounted."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole help, as it is laid out here, in whatever command line this is."""
        self.rich_markup_mode = None
        with named(self, ctx.parent):
            super().format_help(ctx, formatter)


@contextlib.contextmanager
def named(command: Any, group: Any) -> Iterator[None]:
    """Let the texts of a command name the group as it is typed; `group` is its context."""
    ours, path = command.help, typed(group)
    if ours and path != GROUP:
        command.help = ours.replace(GROUP, path)
    try:
        yield
    finally:
        command.help = ours


def write(formatter: Any, text: str) -> None:
    """Write a text of help."""
    if text:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(text)


def divided(text: str | None) -> tuple[str, str]:
    """Return what a group does, and the examples and exit codes, which come at the end."""
    about, table, rest = (text or "").partition(_TABLES)
    return about, f"\b\n{rest}" if table else ""


def write_commands(group: Any, ctx: Any, formatter: Any) -> None:
    """Write the list of commands, each with the whole of its first sentence."""
    rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in _shown(group, ctx)]
    if rows:
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def write_options(group: Any, ctx: Any, formatter: Any) -> None:
    """Write the options of a group, without its commands."""
    cast("Any", TyperCommand).format_options(group, ctx, formatter)


def _shown(group: Any, ctx: Any) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and not command.hidden:
            yield name, command
