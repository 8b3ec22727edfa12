"""`eai migrate status`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import options_of
from bridge.findings import Severity
from bridge.reporting import events
from bridge.reporting.output import as_long_as_it_is_read, data, result
from bridge.reporting.written import Look

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.cli.options import Options
    from bridge.operations.overview import Overview
    from bridge.operations.status import Migration
    from bridge.reporting.reporter import Reporter


def status(
    ctx: typer.Context,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Exit with 3 if something is pending, with 4 if there is a problem."
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Ask no database: list the files, and what is wrong with them."
        ),
    ] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Show only what is pending.")] = False,
    checklist: Annotated[
        bool,
        typer.Option(
            "--checklist", help="Show [X] before what is applied, and [ ] before what is not."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write it as JSON, in a stable form.")
    ] = False,
    shapes: Annotated[
        bool,
        typer.Option(
            "--shapes",
            help="Of many targets: compare the tables of those that are up to date as well.",
        ),
    ] = False,
) -> None:
    """Show each migration, whether this database has it, and since when.

    The states are applied, pending, late (pending, and its name sorts before one that was
    applied), file missing and changed (the file is not what was applied). Nothing is written,
    and no lock is taken. Where standard output is no terminal, each migration is one plain line:
    version, state, time, duration, description.

    With --all, or several targets, it says how many are where, and then, in a line each, which of
    them are not up to date.

    \b
    Examples:
      eai migrate status
      eai migrate status --check
      eai migrate status --pending
      eai migrate status --checklist
      eai migrate status --json
      eai migrate status -n tenants --all --shapes

    \b
    Exit codes:
        0  told; with --check also: nothing is pending, and there is no problem
        2  wrong usage or configuration
        3  --check: something is pending
        4  --check: an upgrade would be refused. Or there is nothing to
           tell: no folder, or a record that cannot be read
       75  try again later: the server does not answer. Of many targets, with
           --check: one is locked or cannot be reached, and all else is well
    """
    if offline and (pending or checklist):
        name = "--pending" if pending else "--checklist"
        raise typer.BadParameter("only a database knows what is applied.", param_hint=name)
    if checklist and as_json:
        raise typer.BadParameter("give it or --json, not both.", param_hint="--checklist")
    if check and offline:
        raise typer.BadParameter(
            "only a database knows what is pending; for the files alone use check.",
            param_hint="--check",
        )
    options = options_of(ctx)
    if options.many and not offline:
        _of_all(options, check=check, as_json=as_json, shapes=shapes)
        return
    if shapes:
        raise typer.BadParameter("it compares several targets: type --all.", param_hint="--shapes")
    with options.run(many=offline) as request:
        from bridge.operations.overview import overview, overview_of_files

        found = overview_of_files(request.settings()) if offline else overview(request)
        shown = found.status.migrations
        if pending:
            shown = tuple(each for each in shown if each.version in {*found.status.pending})
        if as_json:
            told = {**found.to_json(), "migrations": [each.to_json() for each in shown]}
            data(told, indent=2)
        else:
            _show(found, shown, checklist=checklist)
            _tell(found, request.reporter)
        if check and found.exit_code:
            raise SystemExit(found.exit_code)


def _of_all(options: Options, *, check: bool, as_json: bool, shapes: bool) -> None:
    with options.run(many=True) as request:
        from bridge.cli.all_targets_table import differing, histogram, shape_lines
        from bridge.operations.targets.status_all import status_of_all

        found = status_of_all(request, options.meant(request), shapes=shapes)
        if as_json:
            data(found.to_json(), indent=2)
        else:
            result(histogram(found), *differing(found.targets))
            if found.shapes is not None:
                result(*shape_lines(found.shapes))
        if check and found.exit_code:
            raise SystemExit(found.exit_code)


def _show(found: Overview, migrations: Sequence[Migration], *, checklist: bool) -> None:
    """Write these of its migrations, and a summary."""
    from bridge.cli.status_table import checklist_lines, draw, plain_lines, summary

    look = Look.of(sys.stdout)
    on_terminal = look.live
    if not found.status.migrations:
        result(f"There is no migration in {found.folder}.")
    elif not migrations:
        result("No migration is pending.")
    elif checklist:
        result(*checklist_lines(migrations, sys.stdout.encoding))
    elif on_terminal:
        with as_long_as_it_is_read():
            draw(
                migrations,
                sys.stdout,
                width=shutil.get_terminal_size().columns,
                coloured=look.coloured,
            )
    else:
        result(*plain_lines(migrations, sys.stdout.encoding))
    if found.status.migrations or found.lock is not None:
        result(*([""] if on_terminal else []), *summary(found))


def _tell(found: Overview, reporter: Reporter) -> None:
    """Write what is below the table, on standard error."""
    for each in found.status.findings:
        refused = each.severity is Severity.ERROR
        if each.id != "late" or refused:  # the table says it
            said = f"An upgrade would be refused. {each}" if refused else str(each)
            reporter.tell(events.Warned(said, id=each.id))
