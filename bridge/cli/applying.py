"""Apply what is pending, and say what was done: `eai migrate` itself, without its options."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import UsageError
from bridge.reporting import events
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from bridge.cli.options import Options
    from bridge.database.request import Request
    from bridge.operations.upgrade import Report


def apply(options: Options, *, to: str = "head") -> None:
    """Apply the pending migrations up to this one, and write the result."""
    with options.run() as request:
        from bridge.operations.upgrade import run_upgrade

        here = Path.cwd()
        report = run_upgrade(request, to=to)
        request.reporter.tell(events.Result(applied(report, to)))
        if report.applied:
            # A migration may have left it for another one, or changed what settings come from.
            with contextlib.chdir(here), contextlib.suppress(UsageError):
                _keep_schema_file(request)


def _keep_schema_file(request: Request) -> None:
    """Write the schema file anew, if there is one, where a person develops."""
    settings = request.settings()
    at_terminal = sys.stderr is not None and sys.stderr.isatty()
    if settings.schema_file and (at_terminal or settings.writes_schema_file):
        from bridge.operations.schema.keep import keep_schema_file

        keep_schema_file(request, settings.schema_file)


def applied(report: Report, to: str) -> str:
    """Say what a run has applied, up to this migration."""
    if not report.applied:
        return nothing_to_do(to)
    state = ": the database is up to date" if to == "head" else up_to(to)
    return f"Applied {counted(len(report.applied), 'migration')}{state}."


def nothing_to_do(to: str) -> str:
    """Say that nothing is pending up to this migration."""
    return f"Nothing to do{': the database is up to date' if to == 'head' else up_to(to)}."


def up_to(to: str) -> str:
    """Say up to which migration, if it is not the last."""
    return "" if to == "head" else f", up to {to}"
