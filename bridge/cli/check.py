"""`eai migrate check`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.checks.rules import Severity
from bridge.cli.exit import ending
from bridge.cli.formats import AS_JSON, FORMAT, chosen, write
from bridge.cli.options import Options, options_of
from bridge.cli.scratch import SCRATCH_URL
from bridge.reporting.numbers import counted
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.checks.check import Checked
    from bridge.database.request import Request
    from bridge.operations.schema.check import Outdated


def check(
    ctx: typer.Context,
    *,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Also compare with this branch of git, such as origin/main: a new file must sort "
            "after those of the branch, and those must not be changed, renamed or deleted.",
        ),
    ] = None,
    database: Annotated[
        bool,
        typer.Option(
            "--database",
            help="Also look at the configured database: what is pending there, and what was "
            "changed since it was applied. Nothing is written.",
        ),
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="As --database, for this database; as migrate --database-url."
        ),
    ] = None,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            help="Also run all files in a scratch database, and compare what they make with the "
            "schema file (schema_file in alembic.ini).",
        ),
    ] = False,
    scratch_url: Annotated[
        str | None, typer.Option(metavar="URL", help=f"For --schema: {SCRATCH_URL}")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Let each warning count as an error.")
    ] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Do not look for this problem; may be given repeatedly."),
    ] = None,
    format_: FORMAT = None,
    as_json: AS_JSON = False,
) -> None:
    """Look for what is wrong with the files, without running any of them.

    For CI and for pre-commit. No database is asked, unless --database, --database-url or (of
    migrate) --embedded is given. With --schema the files do run, in a scratch database. Each
    problem has an id; a comment `# bridge: ignore the-id` silences it, on its line or above the
    first statement of the file, except where a run would refuse the file.

    \b
    Examples:
      eai migrate check
      eai migrate check --base origin/main --strict
      eai migrate check --database --json
      eai migrate check --base origin/main --format github
      eai migrate check --ignore shared-number
      eai migrate check --schema

    \b
    Exit codes:
        0  nothing is wrong, or only warnings were found
        1  --schema: a migration failed
        2  wrong usage or configuration, or git cannot tell about --base
        3  nothing is wrong, but something is pending in the database
        4  errors were found, or there is no folder to look at
       75  try again later: the server does not answer
    """
    format_ = chosen(format_, as_json=as_json)
    options = options_of(ctx)
    if database_url:
        options = dataclasses.replace(options, database_url=database_url)
    found = _checked(
        options,
        base=base,
        strict=strict,
        ignore=ignore or [],
        asks=database or options.embedded or options.database_url is not None,
        scratch=(scratch_url,) if schema else None,
    )
    write(
        format_,
        command="check",
        problems=found.problems,
        files=found.paths,
        fails=lambda problem: problem.severity is Severity.ERROR,
        summary=_summary(found),
        told=found.problems,
        diff=found.schema_diff or "",
        as_json=found.to_json(),
        as_typed=options.as_typed,
    )
    if found.not_asked:
        Screen().say(options.as_typed(found.not_asked))
    raise SystemExit(found.exit_code)


def _checked(
    options: Options,
    *,
    base: str | None,
    strict: bool,
    ignore: list[str],
    asks: bool,
    scratch: tuple[str | None] | None,
) -> Checked:
    if asks or scratch is not None:
        with options.run() as request:
            from bridge.checks.check import run_check

            return run_check(
                request.settings(),
                base=base,
                strict=strict,
                ignore=ignore,
                request=request if asks else None,
                schema=None if scratch is None else _schema(request, *scratch),
            )
    # Without a database nothing of it is loaded: a hook that is slow gets switched off.
    with ending(Screen(), as_typed=options.as_typed):
        from bridge.checks.check import run_check
        from bridge.config.settings import Settings

        settings = Settings.load(options.config, section=options.section)
        return run_check(settings, base=base, strict=strict, ignore=ignore)


def _schema(request: Request, scratch_url: str | None) -> Callable[[], Outdated | None]:
    from bridge.operations.schema.build import Scratch
    from bridge.operations.schema.check import outdated

    return partial(outdated, request, Scratch(url=scratch_url))


def _summary(found: Checked) -> str:
    counts = [
        counted(found.errors, "error") if found.errors else "",
        counted(found.warnings, "warning") if found.warnings else "",
        f"{len(found.pending)} pending" if found.pending else "",
    ]
    found_so_far = ", ".join(filter(None, counts)) or "nothing is wrong"
    files = counted(found.files, "migration") if found.files else "no migration"
    return f"Checked {files} in {found.folder}: {found_so_far}."
