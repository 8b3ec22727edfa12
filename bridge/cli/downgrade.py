"""`eai migrate downgrade`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.completion import revisions
from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.errors import UsageError
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import result

if TYPE_CHECKING:
    from bridge.operations.downgrade import Downgrade
    from bridge.reporting.reporter import Reporter

_RELATIVE = re.compile(r"-\d+")


def downgrade(
    ctx: typer.Context,
    *,
    rev: Annotated[
        str | None,
        typer.Argument(
            metavar="REV",
            autocompletion=revisions("base"),
            help="The migration to go back to, which stays applied: its name or the beginning of "
            "it, or base to revert all.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Revert the last N, in place of REV."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be reverted, and revert nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Revert the migrations that were applied last, after asking.

    In the reverse of the order in which this database has applied them. Each is committed by
    itself. One without a downgrade function is refused before anything is reverted. Without a
    terminal to ask at, --yes has to be given. The exit codes are those of migrate; 1 also if
    the answer is no.

    \b
    Examples:
      eai migrate downgrade --steps 1
      eai migrate downgrade 002_add_iam --dry-run
      eai migrate --config deploy/alembic.ini downgrade base --yes
    """
    with options_of(ctx).run() as request:
        from bridge.database.connected import opened
        from bridge.operations.downgrade import plan_downgrade, run_downgrade

        to = _target(rev, steps)
        command = "eai migrate downgrade"
        with opened(request, request.settings()) as here:
            agreed = plan_downgrade(here, to=to, command=command)
            if dry_run or not agreed.planned:
                lines = _planned(agreed)
            else:
                if not yes:
                    _ask(agreed, request.reporter)
                if _RELATIVE.fullmatch(to):
                    # A failure must not lead to going back further than was meant.
                    to = agreed.at or "base"
                agreed_to = replace(here, command=f"{command} {to}")
                lines = _reverted(run_downgrade(agreed_to, to=to, agreed=agreed, command=command))
    result(*lines)


def _target(rev: str | None, steps: int | None) -> str:
    if (rev is None) == (steps is None):
        raise UsageError(
            "Type how far to go back, in one of two ways: REV, the migration that stays applied "
            "(or base), or --steps N. Nothing was reverted."
        )
    if steps is not None:
        return f"-{steps}"
    assert rev is not None  # noqa: S101 - one of both is given
    if rev.startswith("-") and not _RELATIVE.fullmatch(rev):
        raise UsageError(f"There is no option {rev}. Nothing was reverted.")
    return rev


def _ask(agreed: Downgrade, reporter: Reporter) -> None:
    stems = ", ".join(each.stem for each in agreed.planned)
    count = counted(len(agreed.planned), "migration")
    for line in _planned(agreed):
        reporter.tell(events.Note(line))
    if not confirmed(
        f"Revert {'it' if len(agreed.planned) == 1 else 'them'}?",
        refusal=f"This would revert {count} ({stems}), but there is no terminal to ask on. Nothing "
        "was reverted. To do it without the question, add --yes.",
    ):
        reporter.tell(events.Note("Nothing was reverted."))
        raise SystemExit(1)


def _planned(agreed: Downgrade) -> list[str]:
    if not agreed.planned:
        return [f"Nothing to revert: the database is at {agreed.at or 'base'}."]
    order = ", in this order" if len(agreed.planned) > 1 else ""
    return [
        f"Would revert {counted(len(agreed.planned), 'migration')}{order}:",
        *(f"  {each.stem}  {' '.join(each.description.split())}" for each in agreed.planned),
    ]


def _reverted(done: Downgrade) -> list[str]:
    count = counted(len(done.planned), "migration")
    return [f"Reverted {count}: the database is at {done.at or 'base'}."]
