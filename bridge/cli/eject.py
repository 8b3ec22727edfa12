"""`eai migrate eject`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.cli.scratch import ScratchUrl
from bridge.reporting import events
from bridge.reporting.numbers import counted
from bridge.reporting.output import data, result

if TYPE_CHECKING:
    from bridge.operations.eject.eject import Ejected
    from bridge.operations.eject.pointers import Pointer

#: What bridge does, and Alembic alone does not.
LEFT_BEHIND = (
    "The migration lock: two processes that start together both run what is pending. Let one run.",
    (
        "The deferred record: a file's commits are real, and Alembic's pointer is written after "
        "the last one. A run that is killed between the two runs the file again."
    ),
    (
        "Late files: Alembic knows one order. A new revision comes after the one that `alembic "
        "heads` shows, and two branches that meet need `alembic merge`."
    ),
    "Checksums: nobody sees that a file was changed or renamed after it was applied.",
    (
        "What an application calls when it starts (bridge.start, bridge.Startup, bridge.Gate): "
        "take it out, and call `alembic upgrade head` before the application."
    ),
    (
        "The ledger {ledger} stays as it is, and nobody writes it any more. When no release with "
        "bridge is left: DROP TABLE {ledger};"
    ),
)


def eject(
    ctx: typer.Context,
    *,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder of the project; it must be new, or empty. Default: alembic, beside "
            "the alembic.ini.",
        ),
    ] = None,
    database_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="A database that is to go on under Alembic alone; may be given repeatedly. "
            "Default: the configured database, if one is configured.",
        ),
    ] = None,
    scratch_url: ScratchUrl = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Look and prove, say what would be done, and write nothing."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write what was done as JSON, in a stable form.")
    ] = False,
) -> None:
    """Leave: write an ordinary Alembic project that does what the plain files do.

    It has one revision for each file, with the whole text of the file and the id that it has
    already, and an env.py that needs nothing of bridge. Before anything is written, the files run
    in one scratch database and the project in another, under Alembic alone, and both must make
    the same schema. In each database that is looked at, Alembic's pointer is set to the last
    applied file, after asking, if it is not there already; a database in which a file is late is
    refused. Your alembic.ini is not changed: the lines to change are told.

    \b
    Examples:
      eai migrate eject --dry-run
      eai migrate eject --into db/alembic
      eai migrate eject --database-url "$STAGING" --database-url "$PRODUCTION"

    \b
    Exit codes:
        0  done
        1  a migration failed in a scratch database, or the answer was no
        2  wrong usage or configuration, or the folder is there already
        4  the project makes something else, a file cannot be a revision, or a
           database has applied something else than the first files of the
           folder; nothing was written
       75  try again later: a server does not answer, or another process migrates
    """

    def agree(pointers: Sequence[Pointer]) -> bool:
        if yes:
            return True
        for each in pointers:
            request.reporter.tell(events.Note(_would_set(each)))
        return confirmed(
            "Write the project, and set this?",
            refusal="This would set Alembic's pointer in a database, but there is no terminal to "
            "ask on. Nothing was written. To do it without the question, add --yes.",
        )

    options = dataclasses.replace(options_of(ctx), command="eai migrate eject")
    with options.run() as request:
        from bridge.ledger.tables import Ledger
        from bridge.operations.eject.eject import run_eject
        from bridge.operations.schema.build import Scratch

        done = run_eject(
            request,
            Scratch(url=scratch_url),
            into=into,
            urls=database_url or (),
            agree=agree,
            dry_run=dry_run,
        )
        ledger = Ledger.of(request.settings()).name
        if done.done is False:
            request.reporter.tell(events.Note("Nothing was written."))
            raise SystemExit(1)
    if as_json:
        left = [each.format(ledger=ledger) for each in LEFT_BEHIND]
        data({**done.to_json(), "left_behind": left}, indent=2)
    else:
        result(*_lines(done), *_next(done), *_left_behind(ledger))


def _would_set(pointer: Pointer) -> str:
    now = ", ".join(pointer.now) or "nothing"
    return (
        f"{pointer.database}: Alembic's pointer is {now}, and would be {pointer.to or 'nothing'}."
    )


def _lines(done: Ejected) -> Iterator[str]:
    folder = os.path.relpath(done.folder)
    written = "Wrote" if done.done else "Would write"
    if done.was_there:
        yield f"{folder} is there already, and was not changed."
    else:
        revisions = counted(done.revisions, "revision")
        yield f"{written} {folder}: {revisions}, env.py and what it needs."
        yield (
            "Proved in scratch databases: under Alembic alone it makes the same schema as the "
            "plain files."
        )
    for each in done.pointers:
        yield _about(each, done=bool(done.done))
    if not done.pointers:
        yield "No database was looked at: none is configured. Name each: --database-url URL"


def _about(pointer: Pointer, *, done: bool) -> str:
    pending = counted(pointer.pending, "revision") if pointer.pending else "nothing"
    left = f"{pending} left for alembic upgrade head"
    if pointer.moves and not done:
        return f"{_would_set(pointer)} Then {left}."
    if pointer.to is None:
        return f"{pointer.database}: nothing is applied; {left}."
    at = "set to" if pointer.moves else "is at"
    return f"{pointer.database}: Alembic's pointer {at} {pointer.to}; {left}."


def _next(done: Ejected) -> Iterator[str]:
    lines = done.lines
    yield ""
    yield f"{os.path.relpath(lines.path)} was not changed. Put these lines into it:"
    yield from (f"    {line}" for line in lines.write)
    if lines.remove:
        yield f"and take out: {', '.join(lines.remove)}."
    if done.own_env_py:
        yield (
            "Your own env.py was not read: options that it gives to run_environment() go into "
            f"{os.path.relpath(done.folder)}/env.py by hand."
        )
    yield ""
    yield "Then:"
    yield "  alembic current --check-heads  # for each database"
    yield "  alembic upgrade head           # in place of eai migrate"
    yield "  pip uninstall eai-bridge"


def _left_behind(ledger: str) -> Iterator[str]:
    yield ""
    yield "What bridge did, and Alembic alone does not:"
    yield from (f"  - {each.format(ledger=ledger)}" for each in LEFT_BEHIND)
