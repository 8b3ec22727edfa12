"""Refuse an option of `eai migrate` that was typed where it means nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import typer

from bridge.cli.rollout import RolloutOptions

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Options of migrate's own, which no command takes before its name.
OWN: Final = frozenset(
    f"--{name.replace('_', '-')}"
    for name in ("to", "dry_run", "sql", *(each.name for each in fields(RolloutOptions)))
)


def refuse_misplaced(ctx: typer.Context, **given: bool) -> None:
    """Refuse an option of migrate's own before the name of a command, which ignores it."""
    for name, is_given in given.items():
        if is_given:
            option, command = f"--{name.replace('_', '-')}", str(ctx.invoked_subcommand)
            where = (
                f"write it after {command}"
                if option in _taken(ctx, command)
                else f"{command} has no such option"
            )
            raise typer.BadParameter(f"{where}. Nothing was started.", param_hint=option)


def _taken(ctx: typer.Context, name: str) -> Iterable[str]:
    """Return the options that a command takes after its name."""
    group: Any = ctx.command
    command = group.get_command(ctx, name)
    return [each for param in command.params for each in param.opts] if command else []
