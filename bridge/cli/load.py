"""`eai migrate load`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import options_of
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import data

if TYPE_CHECKING:
    from bridge.operations.schema.load import Loaded


def load(
    ctx: typer.Context,
    *,
    without_rows: Annotated[
        bool,
        typer.Option(
            "--without-rows",
            help="Also where the migrations have put rows into tables, which are not in the file.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make everything, and roll it back at the end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was done as JSON, in a stable form.")
    ] = False,
) -> None:
    """Make an empty database from the schema file, and run no migration.

    Everything in one transaction, under the migration lock: the tables and all else, and the
    record that the migrations are applied. A database that has anything in it is refused.

    \b
    Examples:
      eai migrate load
      eai migrate --embedded load
      eai migrate load --without-rows

    \b
    Exit codes:
        0  done
        2  wrong usage or configuration, or there is no schema file
        4  the database is not empty, or the schema file cannot be loaded or
           does not fit the folder; nothing was changed
       75  try again later: another process migrates, or the server does not
           answer
    """
    options = dataclasses.replace(options_of(ctx), command="eai migrate load")
    with options.run() as request:
        from bridge.operations.schema.load import run_load

        loaded = run_load(request, without_rows=without_rows, dry_run=dry_run)
        if not as_json:
            done = "Would load" if dry_run else "Loaded"
            request.reporter.tell(events.Result(_sentence(loaded, done)))
    if as_json:
        data({**loaded.to_json(), "dry_run": dry_run}, indent=2)


def _sentence(loaded: Loaded, done: str) -> str:
    done = f"{done} {loaded.path}: {counted(len(loaded.applied), 'migration')} recorded as applied"
    if not loaded.pending:
        return f"{done}, and nothing is pending."
    return f"{done}. {counted(len(loaded.pending), 'migration')} pending; type: eai migrate"
