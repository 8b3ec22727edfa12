"""`eai migrate dump`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import options_of
from bridge.cli.scratch import ScratchUrl
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import data, verbatim

if TYPE_CHECKING:
    from bridge.database.request import Request
    from bridge.operations.schema.file import SchemaFile


def dump(
    ctx: typer.Context,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write this file, or - for standard output. Default: schema_file in alembic.ini, "
            "else standard output.",
        ),
    ] = None,
    from_database: Annotated[
        bool,
        typer.Option(
            "--from-database",
            help="Write what the configured database has, and run no file. It only reads.",
        ),
    ] = False,
    scratch_url: ScratchUrl = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say whether the file would change; write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was done as JSON, in a stable form.")
    ] = False,
) -> None:
    """Write what the migrations make as one SQL file, to keep it in git.

    All files run, from nothing, in a scratch database, which is dropped again; no database of the
    application's is touched. The file has the tables and all else that they make, without any
    rows but those that record what is applied. It is the same on each machine with the same major
    version of PostgreSQL. `eai migrate load` makes an empty database from it, and `eai migrate
    check --schema` tells whether it is up to date. A file that something else has written is not
    written over.

    \b
    Examples:
      eai migrate dump
      eai migrate dump --dry-run
      eai migrate dump --output -
      eai migrate dump --scratch-url postgresql://postgres@localhost/postgres
      eai migrate dump --from-database --output production.sql

    \b
    Exit codes:
        0  written, or it was up to date
        1  a migration failed
        2  wrong usage or configuration, or there is no pg_dump or no server
        4  a problem in the files or in the record of what is applied
       75  try again later: the server does not answer, or others keep a table
           locked
    """
    if from_database and scratch_url:
        raise typer.BadParameter(
            "with --from-database no scratch database is made: give one of them.",
            param_hint="--scratch-url",
        )
    options = dataclasses.replace(options_of(ctx), command="eai migrate dump")
    with options.run() as request:
        from bridge.operations.schema.file import refuse_other, write

        path = _path(output, request.settings().schema_file)
        if path is not None:
            refuse_other(path)
        content = _content(request, scratch_url, from_database=from_database)
        changed = path is not None and write(path, content.text, dry_run=dry_run)
        if path is not None and not as_json:
            done = "Would write" if dry_run else "Wrote"
            told = _sentence(content, f"{done} {path}" if changed else f"{path} is up to date")
            request.reporter.tell(events.Result(told))
    if as_json:
        found = {"path": path, "changed": changed, **content.to_json(), "dry_run": dry_run}
        data(found, indent=2)
    elif path is None:
        verbatim(content.text.removesuffix("\n"))


def _path(output: str | None, configured: str | None) -> str | None:
    if output == "-":
        return None
    return str(Path.cwd() / output) if output else configured


def _content(request: Request, scratch_url: str | None, *, from_database: bool) -> SchemaFile:
    from bridge.operations.schema.build import Scratch
    from bridge.operations.schema.dump import make, make_from_database

    if from_database:
        return make_from_database(request)
    return make(request, Scratch(url=scratch_url))


def _sentence(content: SchemaFile, done: str) -> str:
    migrations = counted(content.migrations, "migration")
    rows = f" Rows are not in it; there are some in {content.without_rows_of}."
    return f"{done}: what {migrations} make.{rows if content.without_rows_of else ''}"
