"""`eai migrate init`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import ending
from bridge.cli.options import Options, options_of
from bridge.reporting.output import result
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from bridge.operations.init import Setup

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
) -> None:
    """Set a project up for plain migration files: an alembic.ini, and a folder with its guide.

    What is there is never changed, so it can be typed again at any time. Where a database is
    named (migrate --database-url, MIGRATION_DATABASE_URL, DATABASE_URL) it is read, and what
    another runner has recorded there is told; nothing is written to it. The exit codes are those
    of migrate.

    \b
    Examples:
      eai migrate init
      eai migrate init --folder app/db/migrations
      DATABASE_URL=postgresql://user@host/database eai migrate init
    """
    options = options_of(ctx)
    with ending(Screen()):
        from bridge.operations.init import plan_setup, set_up

        setup = plan_setup(Path.cwd(), config=options.config, folder=folder)
        set_up(setup)
        result(*_lines(setup, options.command))
        if setup.lines is not None:
            return
    if _names_a_database(options):
        _recognise(options, setup)
    result("", *_next_steps(options, setup))


def _names_a_database(options: Options) -> bool:
    return bool(options.database_url or options.embedded or any(map(os.environ.get, _VARIABLES)))


def _recognise(options: Options, setup: Setup) -> None:
    with dataclasses.replace(options, config=setup.config).run() as request:
        from bridge.operations.recognise import recognise

        lines = recognise(request)
    result("", *lines)


def _lines(setup: Setup, command: str) -> list[str]:
    config, folder = _shown(setup.config), _shown(setup.folder)
    lines = []
    if setup.new_config:
        lines.append(f"Wrote {config}.")
    elif setup.lines is None:
        lines.append(f"{config} is set up already, and was not changed.")
    if setup.new_folder:
        lines.append(f"Made the folder {folder}, with its guide {folder}/README.md.")
    else:
        lines.append(f"The migrations are in {folder}: {_files(setup.folder)}.")
        lines += [f"Wrote the guide {folder}/README.md."] if setup.new_guide else []
    if setup.lines is not None:
        lines += [
            f"{config} exists, and was not changed. Put these lines into it, in place of its own:",
            "",
            setup.lines,
            "",
            "If another environment of Alembic uses that file, give the plain files their own:",
            f"    {command} --config plain.ini init",
        ]
    return lines


def _files(folder: Path) -> str:
    from bridge.files.folder import listed

    files, others, _ = listed(str(folder))
    if not files:
        return "no migration among its files yet" if others else "no file yet"
    first, last = files[0].stem, files[-1].stem
    return f"{first}.py" if len(files) == 1 else f"{len(files)} files, {first}.py to {last}.py"


def _next_steps(options: Options, setup: Setup) -> list[str]:
    command = options.command
    if setup.config.parent != Path.cwd() or setup.config.name not in _FOUND_BY_ITSELF:
        command = f"{command} --config {_shown(setup.config)}"
    steps = [
        (f"{command} check", "look for what is wrong with the files"),
        (f"{command} status", "show what the database has"),
        (f"{command} --dry-run", "list what would run"),
        (command, "run it"),
        (f'{command} new "add widgets"', "write the next migration"),
    ]
    if not _names_a_database(options):
        url = "export DATABASE_URL=postgresql://user@host/database"
        steps.insert(1, (url, "name the database"))
    width = max(len(typed) for typed, _ in steps)
    return ["Next:", *(f"  {typed:{width}}  # {why}" for typed, why in steps)]


_FOUND_BY_ITSELF = ("alembic.ini", "pyproject.toml")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
