"""`eai migrate compare`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import options_of
from bridge.cli.scratch import ScratchUrl
from bridge.reporting import events
from bridge.reporting.escaping import in_one_line
from bridge.reporting.numbers import counted
from bridge.reporting.output import data, result

if TYPE_CHECKING:
    from bridge.operations.schema.compare import Comparison


def compare(
    ctx: typer.Context,
    *,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Also show a diff, from what the files make to what is there."),
    ] = False,
    exclude_schema: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Do not look into this schema; may be given repeatedly."),
    ] = None,
    scratch_url: ScratchUrl = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was found as JSON, in a stable form.")
    ] = False,
) -> None:
    """Tell what was changed in the database by other means than its migrations.

    The applied files run in a scratch database, in the order in which this database has applied
    them; then the two are compared. The database is only read. Rights and owners are not compared,
    nor are rows.

    \b
    Examples:
      eai migrate compare
      eai migrate compare --diff
      eai migrate compare --json --exclude-schema audit
      eai migrate compare --scratch-url postgresql://postgres@localhost/postgres

    \b
    Exit codes:
        0  they are the same
        1  a migration failed in the scratch database
        2  wrong usage or configuration, or the two servers are not of one major
           version
        4  they differ, or the file of an applied migration is missing
       75  try again later: the server does not answer, others keep a table
           locked, or the database was migrated meanwhile
    """
    options = dataclasses.replace(options_of(ctx), command="eai migrate compare")
    with options.run() as request:
        from bridge.operations.schema.build import Scratch
        from bridge.operations.schema.compare import run_compare

        scratch = Scratch(url=scratch_url)
        found = run_compare(request, scratch, without_schemas=exclude_schema or ())
        for stem in found.changed:
            request.reporter.tell(
                events.Warned(
                    f"{stem} was changed after it was applied: what its text of today makes was "
                    "compared."
                )
            )
    if as_json:
        data(found.to_json(), indent=2)
    else:
        result(*_lines(found, diff=diff))
    raise SystemExit(found.exit_code)


def _lines(found: Comparison, *, diff: bool) -> list[str]:
    lines = [in_one_line(each.sentence) for each in found.differences]
    if diff or not found.differences:
        lines += found.diff.splitlines()
    files = counted(len(found.applied), "applied migration")
    number = counted(len(found.differences), "difference")
    differs = f"{number}" if found.exit_code else "no difference"
    return [*lines, f"Compared {found.database} with what {files} make: {differs}."]
