"""`eai migrate mark`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.completion import revisions
from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.errors import UsageError
from bridge.reporting import events
from bridge.reporting.output import result

if TYPE_CHECKING:
    from bridge.operations.mark import Marking


def mark(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=revisions(),
            help="The migration: its file without .py, or the beginning of that; or a row.",
        ),
    ],
    *,
    applied: Annotated[
        bool, typer.Option("--applied", help="Record it as applied, without running it.")
    ] = False,
    pending: Annotated[
        bool,
        typer.Option(
            "--pending", help="Record it as not applied, so that the next run applies it."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be changed, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Record one migration as applied without running it, or forget one, after asking.

    `alembic stamp` says it of a migration and of all before it; this says it of one alone, where
    you know better than the record. No migration is run, and nothing of its work is changed.
    Without a terminal to ask at, --yes has to be given. The exit codes are those of migrate; 1
    also if the answer is no.

    \b
    Examples:
      eai migrate mark 004_new_feature --applied
      eai migrate mark 004_new_feature --pending --dry-run
    """
    found: list[Marking] = []

    def agree(marking: Marking) -> bool:
        found.append(marking)
        if dry_run or yes:
            return yes and not dry_run
        reporter.tell(events.Note(_sentence("Would be changed", marking)))
        return confirmed(
            "Record this?",
            refusal=f"{marking.stem} would be {marking.what}. There is no terminal to ask on. "
            "Nothing was changed. To do it without the question, add --yes.",
        )

    with options_of(ctx).run() as request:
        from bridge.operations.mark import run_mark

        if applied == pending:
            raise UsageError("Add --applied or --pending. Nothing was changed.")
        reporter = request.reporter
        done = run_mark(request, name, applied=applied, agree=agree)
        if done is None and not dry_run:
            reporter.tell(events.Note("Nothing was changed."))
            raise SystemExit(1)
    if not found:
        state = "recorded as applied" if applied else "not recorded as applied"
        stem = done.stem if done else name
        result(f"Nothing to change: {stem} is {state} already.")
    else:
        result(_sentence("Changed" if done else "Would be changed", found[0]))


def _sentence(done: str, marking: Marking) -> str:
    at = marking.pointer or "base"
    return f"{done}: {marking.stem} is {marking.what}. The version table then says {at}."
