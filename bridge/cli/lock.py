"""`eai migrate lock`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.reporting import events
from bridge.reporting.output import data, result

if TYPE_CHECKING:
    from bridge.database.request import Request
    from bridge.operations.lock_status import LockStatus
    from bridge.reporting.reporter import Reporter


def lock(
    ctx: typer.Context,
    *,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel",
            help="End the statement that the migration is running, after asking: the migration "
            "fails, and what it has not committed is rolled back.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write it as JSON, in a stable form.")
    ] = False,
) -> None:
    """Show who migrates this database now, how far it is, and who waits for whom.

    The holder of the migration lock, the migration and the statement that it runs, the sessions
    that keep that statement waiting, and the processes that wait for the lock. Constants of the
    statement are shown only with --show-parameters. Not seen are processes that wait on an Engine
    of the application's own, or behind a pooler. Nothing is changed without --cancel.

    \b
    Examples:
      eai migrate lock
      eai migrate lock --json
      eai migrate lock --cancel

    \b
    Exit codes:
        Those of migrate; 0 also if nobody holds the lock, 1 also if the
        answer is no.
    """
    if cancel and as_json:
        raise typer.BadParameter("give it or --json, not both.", param_hint="--cancel")
    with options_of(ctx).run() as request:
        from bridge.database.connected import opened
        from bridge.operations.lock_status import lock_status, watching

        settings = request.settings()
        with opened(request, settings) as here:
            with watching(here) as connection:
                found = lock_status(connection, verbatim=settings.show_parameters)
            lines = [_cancelled(here, found, yes=yes)] if cancel else found.lines
    if as_json:
        data(found.to_json())
    else:
        result(*lines)


def _cancelled(request: Request, found: LockStatus, *, yes: bool) -> str:
    from bridge.operations.lock_status import cancel_statement, watching

    if (idle := _nothing_to_cancel(found)) is not None:
        return idle
    if not yes:
        _ask(found, request.reporter)
    # Connected to anew: nobody knows how long a person thinks.
    with watching(request) as connection:
        cancel_statement(connection, found)
    return f"Asked backend {_worker(found)} to cancel its statement."


def _nothing_to_cancel(found: LockStatus) -> str | None:
    """Return why there is nothing to cancel; None if there is something."""
    from bridge.operations.lock_status import may_hang

    worker = found.worker
    if worker is None:
        return f"Nothing to cancel. {' '.join(' '.join(found.lines).split())}"
    if worker.state not in {None, "active"}:
        return (
            f"Nothing to cancel: backend {worker.pid} runs no statement now ({worker.state}). "
            f"{may_hang(worker)}"
        )
    return None


def _ask(found: LockStatus, reporter: Reporter) -> None:
    migration = found.migration or "The migration"
    consequence = (
        f"{migration} then fails: what it has not committed is rolled back, and what was applied "
        "before it stays. The next run begins with it again."
    )
    backend = f"backend {_worker(found)}"
    for line in [*found.lines, consequence]:
        reporter.tell(events.Note(line))
    if not confirmed(
        "Cancel its statement?",
        refusal=f"This would cancel the statement of {backend}, but there is no terminal to ask "
        f"on. {consequence} Nothing was cancelled. To do it without the question, add --yes.",
    ):
        reporter.tell(events.Note("Nothing was cancelled."))
        raise SystemExit(1)


def _worker(found: LockStatus) -> str:
    return str(found.worker.pid) if found.worker else "unknown"
