"""`eai migrate new`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import options_of
from bridge.reporting.output import result


def new(
    ctx: typer.Context,
    *,
    message: Annotated[
        list[str],
        typer.Argument(
            metavar="MESSAGE",
            help="What it does; becomes its description, and a part of its name.",
            show_default=False,
        ),
    ],
    autogenerate: Annotated[
        bool,
        typer.Option(
            "--autogenerate",
            help="Compare target_metadata with the database, and write the SQL that makes the "
            "database what the models say, and back.",
        ),
    ] = False,
) -> None:
    """Write the next migration file, and print its path.

    It gets the next free number. A file that is there is never overwritten. Without
    --autogenerate no database is needed; with it, the database has to be up to date, and where
    nothing differs no file is written. The template is bridge's own, or the one that template
    in alembic.ini names. The exit codes are those of migrate.

    \b
    Examples:
      eai migrate new "add widgets"
      eai migrate new "add widgets" --autogenerate
      eai migrate --config deploy/alembic.ini new "add widgets"
    """
    with options_of(ctx).run() as request:
        from bridge.operations.new import create

        paths = create(request, " ".join(message), autogenerate=autogenerate)
        if not paths:
            from bridge.alembic.autogenerate.writer import NOTHING_TO_DO

            result(NOTHING_TO_DO)
    result(*map(_shown, paths))


def _shown(path: str) -> str:
    """Return the path as a person would type it from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
