"""Tell what `eai migrate` would run: its --dry-run and its --sql."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from bridge.cli.applying import nothing_to_do, up_to
from bridge.reporting.numbers import counted
from bridge.reporting.output import as_long_as_it_is_read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.options import Options
    from bridge.operations.upgrade import Planned


def write_script(options: Options, *, to: str, dry_run: bool) -> None:
    """Write the script for psql."""
    if dry_run:
        raise typer.BadParameter("give it or --dry-run, not both.", param_hint="--sql")
    with options.run() as request:
        from bridge.operations.sql_script import write_sql

        with as_long_as_it_is_read():
            write_sql(request, to=to, out=sys.stdout)


def planned_lines(planned: Sequence[Planned], to: str) -> list[str]:
    """List what would run, in order."""
    if not planned:
        return [nothing_to_do(to)]
    return [
        f"Would apply {counted(len(planned), 'migration')}{up_to(to)}:",
        *(f"  {each.stem}  {' '.join(each.description.split())}{_about(each)}" for each in planned),
    ]


def _about(each: Planned) -> str:
    if each.late:
        return "  (late: its name sorts before one that is applied)"
    if each.replaces:
        how = "recorded, not run: it " if each.only_recorded else ""
        return f"  ({how}replaces {counted(each.replaces, 'migration')})"
    return ""
