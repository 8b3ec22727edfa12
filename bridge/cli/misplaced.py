"""Refuse an option of `eai migrate` that was typed where it means nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import typer

from bridge.cli.rollout import RolloutOptions

if TYPE_CHECKING:
    from collections.abc import Collection

#: Options of migrate's own, which no command takes before its name.
OWN: Final = frozenset(
    f"--{name.replace('_', '-')}"
    for name in ("to", "dry_run", "sql", *(each.name for each in fields(RolloutOptions)))
)


def refuse_misplaced(ctx: typer.Context, **given: bool) -> None:
    """Refuse an option before the name of a command that ignores it there.

    Each does with those of migrate's own, and with any other that it does not have.
    """
    command = str(ctx.invoked_subcommand)
    taken = _taken(ctx, command)
    for name, is_given in given.items():
        option = f"--{name.replace('_', '-')}"
        if is_given and (option in OWN or option not in taken):
            has_it = option in taken
            where = f"write it after {command}" if has_it else f"{command} has no such option"
            raise typer.BadParameter(f"{where}. Nothing was started.", param_hint=option)


def _taken(ctx: typer.Context, name: str) -> Collection[str]:
    """Return the options that a command takes after its name."""
    group: Any = ctx.command
    command = group.get_command(ctx, name)
    return [each for param in command.params for each in param.opts] if command else []
