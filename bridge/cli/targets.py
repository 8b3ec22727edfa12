"""The options of commands that take a target: `--target`, `--all`, `--targets` and `--name`.

Each of these commands has them, as `migrate` has; what is typed after the command adds to what is
typed before it. A command that works on one target is done for each of several in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.added_options import with_options
from bridge.cli.options import META, Options, options_of
from bridge.reporting.output import result

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="One target: a tenant's schema or database. Given again, or as a pattern such as "
        "'eu_*', several.",
    ),
]
ALL = Annotated[bool, typer.Option("--all", help="All targets of the section.")]
TARGETS = Annotated[
    str | None,
    typer.Option(
        "--targets",
        metavar="FILE",
        help="The list of targets, a line each: a schema, a URL, or JSON; - for standard input. "
        "Default: targets or targets_query of the section.",
    ),
]
SECTION = Annotated[
    str | None,
    typer.Option(
        "--name",
        "-n",
        metavar="SECTION",
        help="The section of alembic.ini. Default: the variable BRIDGE_SECTION, then alembic.",
    ),
]
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "target": (TARGET, None),
    "all_targets": (ALL, False),
    "targets": (TARGETS, None),
    "section": (SECTION, None),
}


def of_targets(command: Callable[..., None], *, each: bool = True) -> Callable[..., None]:
    """Return the command with these options.

    With `each` it is done for one target after the other where several are named; without, it sees
    to that itself. Ends with the exit code of the first target that does not end with 0.
    """

    def take(ctx: typer.Context, typed: dict[str, Any], run: Callable[[], None]) -> None:
        options = ctx.meta[META] = options_of(ctx).with_targets(**typed)
        if not (each and options.many):
            run()
            return
        codes = [_run(ctx, one, run) for one in options.each()]
        if failed := [code for code in codes if code]:
            raise SystemExit(failed[0])

    return with_options(command, _OPTIONS, take)


def of_list(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with those of these options that say where targets are listed."""

    def take(ctx: typer.Context, typed: dict[str, Any], run: Callable[[], None]) -> None:
        ctx.meta[META] = options_of(ctx).with_targets(**typed)
        run()

    return with_options(command, {name: _OPTIONS[name] for name in ("targets", "section")}, take)


def _run(ctx: typer.Context, options: Options, command: Callable[[], None]) -> int:
    """Run it for one target, under a line with its name, and return its exit code."""
    ctx.meta[META] = options
    result(f"Target {options.target[0]}:")
    try:
        command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        if code > 128:  # noqa: PLR2004 - a signal has ended it, and so all
            raise
        return code
    return 0
