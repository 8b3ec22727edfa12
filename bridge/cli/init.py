"""`eai migrate init`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import ending
from bridge.cli.options import Options, options_of
from bridge.errors import UsageError
from bridge.reporting.output import data, result
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from bridge.checks.survey import Survey
    from bridge.operations.init import Setup
    from bridge.operations.recognise import Recognised

#: A project is told what its database holds where one of these says which it is.
_VARIABLES = ("MIGRATION_DATABASE_URL", "DATABASE_URL")


def init(
    ctx: typer.Context,
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder of migrations; by default the one folder of plain files that is "
            "found here, else migrations.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was found as JSON, in a stable form.")
    ] = False,
) -> None:
    """Set a project up for plain migration files: an alembic.ini, and a folder with its guide.

    It looks at the files, and finds out what their functions are called, what they take and in
    which order they run; what is unusual it writes into the alembic.ini. No file is executed.

    What is there is never changed, so it can be typed again at any time. Where a database is
    named (migrate --database-url, MIGRATION_DATABASE_URL, DATABASE_URL) it is read, and what
    another runner has recorded there is told; nothing is written to it. The exit codes are those
    of migrate.

    \b
    Examples:
      eai migrate init
      eai migrate init --folder app/db/migrations
      eai migrate init --json
      DATABASE_URL=postgresql://user@host/database eai migrate init
    """
    options = options_of(ctx)
    with ending(Screen(), as_typed=options.as_typed):
        from bridge.checks.survey import survey
        from bridge.cli.init_report import Report
        from bridge.operations.init import plan_setup, set_up

        setup = plan_setup(Path.cwd(), config=options.config, folder=folder)
        found = survey(setup.folder, Path.cwd())
        set_up(setup, found.settings)
        report = Report(setup, found, command=_command(options, setup))
        if not as_json:
            result(*report.about_files())
    looks = not (setup.foreign_config or report.lacks_migrations)
    if looks and _names_a_database(options, setup):
        report = dataclasses.replace(report, recognised=_recognise(options, setup, found))
        if not as_json:
            result(*report.about_database())
    if as_json:
        data(report.to_json(), indent=2)
    else:
        result(*report.what_next(names_a_database=_names_a_database(options, setup)))


def _names_a_database(options: Options, setup: Setup) -> bool:
    from bridge.config.settings import Settings

    variables = dict(os.environ)
    with contextlib.suppress(UsageError):  # a configuration of somebody else's
        variables = {**Settings.load(setup.config).variables, **variables}
    return bool(options.database_url or options.embedded or any(map(variables.get, _VARIABLES)))


def _recognise(options: Options, setup: Setup, found: Survey) -> Recognised:
    with dataclasses.replace(options, config=setup.config).run() as request:
        from bridge.operations.init import settle
        from bridge.operations.recognise import recognise

        overrides = {**(request.overrides or {}), **found.settings}
        recognised = recognise(dataclasses.replace(request, overrides=overrides))
        settle(setup, found.settings, {**found.settings, **recognised.settings})
        return recognised


def _command(options: Options, setup: Setup) -> str:
    if setup.config.parent == Path.cwd() and setup.config.name in _FOUND_BY_ITSELF:
        return options.program
    return f"{options.program} --config {os.path.relpath(setup.config)}"


_FOUND_BY_ITSELF = ("alembic.ini", "pyproject.toml")
