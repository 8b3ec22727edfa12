"""`eai migrate wait`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from bridge.cli.options import options_of
from bridge.reporting.output import result


def wait(
    ctx: typer.Context,
    *,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long to wait; 0 to look once. Default: as migrate --wait-for-lock, 300 where "
            "nothing is set.",
        ),
    ] = None,
) -> None:
    """Wait until nothing is pending, for a process that must not migrate.

    It writes nothing and takes no lock: another process applies the migrations, and this one
    looks every two seconds or so whether they are there. A server that does not answer yet is
    waited for, too.

    \b
    Examples:
      eai migrate wait
      eai migrate wait --timeout 60 && exec gunicorn app:app

    \b
    Exit codes:
        0  nothing is pending
        2  wrong usage or configuration
        4  a run would be refused, so that waiting is of no use
       75  something is still pending after that time, or the server does not
           answer
      130  interrupted by Ctrl-C (SIGINT)
      143  interrupted by SIGTERM
    """
    options = options_of(ctx)
    if timeout is not None:
        options = replace(options, wait_for_lock=timeout)
    with options.run() as request:
        from bridge.operations.wait import wait_until_applied

        wait_until_applied(request)
        result("Nothing is pending: the database is up to date.")
