"""`eai migrate provision`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.applying import applied
from bridge.cli.options import options_of
from bridge.reporting import events


def provision(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The new tenant: a target in the section's list, else a schema.",
        ),
    ],
) -> None:
    """Make a new tenant: its schema or its database, and all that the migrations make in it.

    The schema is made, and the migrations are applied and recorded, under one lock. What is there
    already stays, and what an earlier try has not finished is finished; so it may be repeated. A
    target with a URL whose database is not there gets one, from the server's default template.

    The exit codes are those of migrate.

    \b
    Examples:
      eai migrate provision acme
      eai migrate -n tenants provision acme
    """
    with options_of(ctx).run(many=True) as request:
        from bridge.operations.provision import run_provision

        report = run_provision(request, name)
        request.reporter.tell(events.Result(applied(report, "head")))
