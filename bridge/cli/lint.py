"""`eai migrate lint`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.formats import AS_JSON, FORMAT, chosen, write
from bridge.cli.options import options_of
from bridge.reporting.numbers import counted
from bridge.reporting.screen import Screen

if TYPE_CHECKING:
    from bridge.checks.lint import Linted


def lint(
    ctx: typer.Context,
    *,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILES",
            help="The migrations to look at: paths, names or the beginnings of names; else all.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Look only at what is new or changed since this branch of git, such as "
            "origin/main.",
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Rehearse what is pending in this database, and look at that. Its tables are "
            "locked meanwhile: name a copy. It needs no embedded PostgreSQL.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Do not look for this; may be given repeatedly. As lint_exclude in alembic.ini.",
        ),
    ] = None,
    format_: FORMAT = None,
    as_json: AS_JSON = False,
) -> None:
    """Look for what is dangerous in the SQL that the files send, with squawk.

    The files run for real, from nothing, in a database that is made for it on the embedded
    PostgreSQL and dropped again; or what is pending is rehearsed in the one that --database-url
    names. DATABASE_URL, MIGRATION_DATABASE_URL and sqlalchemy.url are not used: no database of
    the application's is ever touched. A comment `# bridge: ignore rule-name` silences a finding:
    at the statement that sends the SQL, on the line above it, or above the first statement of
    the file. It needs the extra lint, and embedded unless --database-url is given.

    \b
    Examples:
      eai migrate lint
      eai migrate lint --base origin/main
      eai migrate lint migrations/004_add_widgets.py --json
      eai migrate lint --base origin/main --format sarif > lint.sarif
      eai migrate lint --ignore prefer-identity --ignore ban-drop-table

    \b
    Exit codes:
        0  nothing was found
        1  a migration failed
        2  wrong usage or configuration, or squawk is not there
        4  something was found, or a file could not be rehearsed, or a problem
           in the files
       75  try again later: the server does not answer
    """
    format_ = chosen(format_, as_json=as_json)
    options = dataclasses.replace(options_of(ctx), command="eai migrate lint")
    if database_url:
        options = dataclasses.replace(options, database_url=database_url)
    with options.run() as request:
        from bridge.checks.lint import run_lint

        found = run_lint(request, names=files or (), base=base, ignore=ignore or ())
    write(
        format_,
        command="lint",
        problems=(*found.findings, *found.not_linted),
        files=found.paths,
        fails=lambda _: True,
        summary=_summary(found),
        told=found.findings,
        as_json=found.to_json(),
        as_typed=options.as_typed,
    )
    Screen().say(*_not_looked_at(found))
    raise SystemExit(found.exit_code)


def _summary(found: Linted) -> str:
    if not (found.files or found.left):
        return f"Nothing to lint in {found.folder}."
    number = len(found.findings)
    counts = f"{number or 'nothing'} found" + (
        f", {found.silenced} silenced" * bool(found.silenced)
    )
    files = counted(len(found.files), "migration")
    return f"Linted {files} in {found.folder}: {counts}."


def _not_looked_at(found: Linted) -> list[str]:
    lines = [f"{each.place}: {each.message}" for each in found.unread]
    if found.left:
        first, *rest = found.left
        after = f"; the files after it were not linted either: {', '.join(rest)}" if rest else ""
        lines.append(
            f"Not linted: {first}, because {found.reason}{after}. Leave --database-url out to run "
            "all files from nothing."
        )
    return lines
