"""`eai migrate repair`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.operations.repair_plan import Change


def repair(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Repair only these: names of files without .py, or of rows. Default: all.",
            show_default=False,
        ),
    ] = None,
    *,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt",
            help="Record that the ledger is this project's, although none of its rows is a file: "
            "all files were replaced.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be repaired, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the record of applied migrations fit the files as they are now, after asking.

    Files that were renamed after they were applied are recorded under their new names, rows that
    name a file in another way get its name, changed files are accepted as they are, and rows of
    an adopted table that have no checksum get one. No migration is run. Without a terminal to ask
    at, --yes has to be given. The exit codes are those of migrate; 1 also if the answer is no.

    \b
    Examples:
      eai migrate repair --dry-run
      eai migrate repair --yes
      eai migrate repair 004_new_feature
    """
    found: list[Change] = []

    def agree(changes: Sequence[Change]) -> bool:
        found.extend(changes)
        if dry_run or yes:
            return yes and not dry_run
        for line in _lines("Would repair", changes):
            reporter.tell(events.Note(line))
        return confirmed(
            f"Record {'this' if len(changes) == 1 else 'these'}?",
            refusal=f"This would repair {counted(len(changes), 'row')} of the ledger, but there is "
            "no terminal to ask on. Nothing was repaired. To do it without the question, add "
            "--yes.",
        )

    with options_of(ctx).run() as request:
        from bridge.operations.repair import run_repair

        reporter = request.reporter
        done = run_repair(request, agree, names=names or (), adopt=adopt)
        if not done and not dry_run:
            reporter.tell(events.Note("Nothing was repaired."))
            raise SystemExit(1)
    if not found:
        result("Nothing to repair: what is recorded fits the files.")
    else:
        result(*_lines("Repaired" if done else "Would repair", found))


def _lines(done: str, changes: Sequence[Change]) -> list[str]:
    rows = counted(len(changes), "row")
    return [f"{done} {rows}:", *(f"  {each.stem}  {each.what}" for each in changes)]
