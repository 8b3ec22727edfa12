"""`eai migrate squash`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import options_of
from bridge.cli.scratch import ScratchUrl
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import data, result, verbatim

if TYPE_CHECKING:
    from bridge.database.request import Request
    from bridge.operations.squash.squash import Squashed


def squash(
    ctx: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="STEM",
            help="The last migration to replace: its name or the beginning of it.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the new file is called, behind its number.")
    ] = "baseline",
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Remove the replaced files, once it is proved that they can go."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Prove and print the new file, and write nothing."),
    ] = False,
    scratch_url: ScratchUrl = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was done as JSON, in a stable form.")
    ] = False,
) -> None:
    """Write one file in place of all up to one, and prove that it makes the same.

    The files run in a scratch database; the new file has the schema and the rows that they have
    made, as SQL. Then it runs alone in another scratch database, and both are compared: where
    anything differs, nothing is written. No database of the application's is touched.

    \b
    Examples:
      eai migrate squash --to 070_add_orders
      eai migrate squash --to 070 --dry-run > baseline.py
      eai migrate squash --to 070 --name baseline --delete

    \b
    Exit codes:
        0  proved, and written
        1  a migration failed in the scratch database
        2  wrong usage or configuration, or there is no pg_dump or no server
        4  the new file would not make the same, or cannot be written; nothing
           was written
       75  try again later: the server does not answer
    """
    options = dataclasses.replace(options_of(ctx), command="eai migrate squash")
    with options.run() as request:
        from bridge.operations.schema.build import Scratch
        from bridge.operations.squash.squash import run_squash

        scratch = Scratch(url=scratch_url)
        found = run_squash(request, scratch, to=to, name=name, delete=delete, dry_run=dry_run)
        _remark(request, found)
        if found.written and not as_json:
            request.reporter.tell(events.Result(_sentence(found)))
    _show(found, dry_run=dry_run, as_json=as_json)
    raise SystemExit(found.exit_code)


def _remark(request: Request, found: Squashed) -> None:
    said = []
    if found.volatile:
        said.append(
            f"Values differ between two runs of the old files: {', '.join(found.volatile)}. The "
            "new file has those of one run, but for what the server computes anew."
        )
    if found.stale:
        said.append(
            f"The old files leave rows in materialized views that their queries do not give any "
            f"more: {', '.join(found.stale)}. The new file fills them anew."
        )
    said += [
        f"{stem} changes what belongs to the server (roles, say): that is not in the new file."
        for stem in found.server_wide
    ]
    for sentence in said:
        request.reporter.tell(events.Warned(sentence))


def _show(found: Squashed, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        data(found.to_json(), indent=2)
    elif found.diff:
        result(*found.diff.splitlines(), _refusal(found))
    elif dry_run and found.text is not None:
        verbatim(found.text.removesuffix("\n"))


def _refusal(found: Squashed) -> str:
    if found.text is None:
        return (
            "The old files do not make the same when they run twice, so that nothing can be proved "
            "of a file in their place. Nothing was written."
        )
    return "The new file does not make what the old ones make. Nothing was written."


def _sentence(found: Squashed) -> str:
    number = counted(len(found.plan.replaces), "migration")
    rows = f"and the same {counted(found.rows, 'row')}" if found.rows else "and no rows"
    kept = (
        f"{counted(len(found.plan.present), 'old file')} removed."
        if found.deleted
        else "The old files stay beside it."
    )
    return (
        f"Wrote {found.plan.new.path} in place of {number}, and proved that it makes the same "
        f"schema {rows}. {kept}"
    )
