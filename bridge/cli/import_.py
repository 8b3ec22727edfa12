"""`eai migrate import`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import ending
from bridge.cli.options import Options, options_of
from bridge.cli.scratch import ScratchUrl
from bridge.reporting.output import data, result
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from bridge.operations.importing.plan import Import
    from bridge.operations.importing.proof import Proof
    from bridge.operations.importing.source import Source


def import_(
    ctx: typer.Context,
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="The alembic.ini of the project, or the folder of its env.py. Default: the "
            "configuration that alembic itself would find.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The folder for the plain files. Default: migrations."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Prove it, list the files, and write none.")
    ] = False,
    no_proof: Annotated[
        bool,
        typer.Option(
            "--no-proof",
            help="Run nothing: for revisions that need more than an empty database.",
        ),
    ] = False,
    scratch_url: ScratchUrl = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was done as JSON, in a stable form.")
    ] = False,
) -> None:
    """Turn an ordinary Alembic project into plain files, and prove that they do the same.

    Each revision becomes a numbered file: its text stays as it was, but for the lines with its ids,
    and a database that Alembic has brought to one of these needs nothing done. Alembic's own run
    and that of the plain files are compared in scratch databases, schema and rows, up and down
    again; where they differ nothing is written. The project's env.py is not run, and no database
    of the application's is touched.

    \b
    Examples:
      eai migrate import
      eai migrate import --dry-run
      eai migrate import --from backend/alembic.ini --folder backend/migrations
      eai migrate import --scratch-url postgresql://postgres@localhost/postgres

    \b
    Exit codes:
        0  written, or listed
        1  a revision failed in a scratch database
        2  wrong usage or configuration, or there is no pg_dump or no server
        4  no line of plain files can be this history, or the two runs differ;
           nothing was written
       75  try again later: the server does not answer
    """
    if no_proof and scratch_url:
        raise typer.BadParameter(
            "with --no-proof no scratch database is made: give one of them.",
            param_hint="--scratch-url",
        )
    options = dataclasses.replace(options_of(ctx), command="eai migrate import")
    with ending(Screen(), verbose=options.verbose, as_typed=options.as_typed):
        from bridge.alembic.foreign import ForeignProject
        from bridge.operations.importing.plan import plan_import
        from bridge.operations.importing.source import find_source, write_files

        found = find_source(Path.cwd(), config=options.config, source=source, folder=folder)
        wanted = plan_import(ForeignProject.read(found.files, found.folder), found.target)
    proof = None if no_proof else _prove(options, found, wanted, scratch_url)
    wrote = not (dry_run or (proof is not None and proof.differences))
    with ending(Screen(), as_typed=options.as_typed):
        if wrote:
            write_files(wanted)

    from bridge.cli.import_report import Report

    report = Report(found, wanted, proof, wrote=wrote, root=Path.cwd())
    if as_json:
        data(report.to_json(), indent=2)
    else:
        result(*report.lines())
    raise SystemExit(report.exit_code)


def _prove(options: Options, found: Source, wanted: Import, scratch_url: str | None) -> Proof:
    from bridge.operations.importing.proof import prove, trial
    from bridge.operations.schema.build import Scratch

    with (
        trial(wanted, found.files) as config,
        dataclasses.replace(options, config=config).run() as request,
    ):
        # Nothing that the environment says of the project's own folder is meant here.
        overrides = {**(request.overrides or {}), "folder": str(config.parent / "migrations")}
        here = dataclasses.replace(request, overrides=overrides)
        return prove(here, wanted, Scratch(url=scratch_url))
