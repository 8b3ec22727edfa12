"""`eai migrate rehearse`."""

# ruff: noqa: D301 - Typer wants the character \b itself, before a paragraph not to be filled

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridge.cli.exit import confirmed
from bridge.cli.options import options_of
from bridge.reporting import events
from bridge.reporting.escaping import in_one_line
from bridge.reporting.numbers import counted
from bridge.reporting.output import verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.operations.rehearsal.rehearse import Rehearsal, Rehearsed
    from bridge.operations.upgrade import Planned
    from bridge.reporting.reporter import Reporter


class Format(StrEnum):
    """What is written to standard output."""

    SQL = "sql"
    MARKDOWN = "markdown"


def rehearse(
    ctx: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="REV",
            help="Stop after this migration: its name or the beginning of it, or +1 for the next.",
        ),
    ] = "head",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Do not ask, although it takes real locks on a real database."
        ),
    ] = False,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="What to write to standard output: sql, or markdown for a comment on a pull "
            "request: which files, which locks and for how long, what loses data.",
        ),
    ] = Format.SQL,
) -> None:
    """Run what is pending for real, print its SQL, and roll everything back.

    All in one transaction, with a lock_timeout of 2 seconds. Standard output gets each statement
    that was sent, standard error how long each file ran and which tables it locked. The locks
    are real, and held until the end, so it asks first, unless the database is the embedded one.
    What a file commits is not committed. One that needs a real commit, or no transaction, ends
    the rehearsal: it and what follows are listed as not rehearsed. The exit codes are those of
    migrate; 1 also if the answer is no.

    \b
    Examples:
      eai migrate rehearse
      eai migrate rehearse --to 004 --yes > review.sql
      eai migrate rehearse --yes --format markdown > comment.md
    """
    command = "eai migrate rehearse" + ("" if to == "head" else f" --to {to}")
    with replace(options_of(ctx), command=command).run() as request:
        from bridge.database.connected import opened
        from bridge.operations.upgrade import plan

        reporter = request.reporter
        with opened(request, request.settings()) as here:
            planned = [each for each in plan(here, to=to) if not each.only_recorded]
            if planned:
                if not (yes or _is_embedded(request)):
                    _ask(planned, here, reporter)
                found = _rehearse(here, reporter, to)
            else:
                reporter.tell(events.Note("Nothing to rehearse: no migration is pending."))
                found = None
    if format_ is Format.MARKDOWN:
        from bridge.cli.rehearse_report import markdown

        verbatim(*markdown(found))
    elif found is not None:
        verbatim(*_script(found))


def _is_embedded(request: Request) -> bool:
    from bridge.database.database import Database
    from bridge.database.engine import resolve

    settings = request.settings()
    url = request.database
    assert url is None or isinstance(url, str)  # noqa: S101 - as it was typed
    chosen = resolve(settings, database_url=url, embedded=request.embedded)
    return not isinstance(chosen, Database)


def _ask(planned: Sequence[Planned], request: Request, reporter: Reporter) -> None:
    database = cast("Database", request.database)  # it came as a URL, or not at all
    count = counted(len(planned), "migration")
    what = (
        f"This runs {count} ({', '.join(each.stem for each in planned)}) for real on "
        f"{database.describe()}, in one transaction that is rolled back at the end. Until then it "
        "holds the locks that it takes, and whoever needs those tables waits."
    )
    reporter.tell(events.Note(what))
    if not confirmed(
        "Go on?",
        refusal="There is no terminal to ask on. Nothing was run. To run it without the question, "
        "add --yes.",
    ):
        reporter.tell(events.Note("Nothing was run."))
        raise SystemExit(1)


def _rehearse(request: Request, reporter: Reporter, to: str) -> Rehearsal:
    from bridge.operations.rehearsal.rehearse import rehearse

    found = rehearse(request, to=to)
    for line in _findings(found):
        reporter.tell(events.Note(line))
    return found


def _script(found: Rehearsal) -> list[str]:
    lines: list[str] = []
    for file in found.done:
        lines += [f"-- {in_one_line(Path(file.path).name)}", *([file.sql] if file.sql else []), ""]
    if found.left:
        lines += [f"-- not rehearsed: {in_one_line(_left(found))}"]
    return lines


def _findings(found: Rehearsal) -> Iterator[str]:
    for file in found.done:
        yield f"  {file.stem}  locked {_locked(file)}"
    if any(file.locks for file in found.done):
        yield (
            "The times are those of a run, which lets go of its locks at each commit. The "
            "rehearsal holds them to its end."
        )
    if any(file.held for file in found.done):
        yield (
            "So nobody can see whether a later file would lock the same table once more. To see "
            "that, apply the files before it, and rehearse it alone."
        )
    if found.left:
        yield f"Not rehearsed: {_left(found)}"
    if found.done:
        done = counted(len(found.done), "migration")
        yield f"Rehearsed {done}; everything was rolled back, and nothing is recorded."


def _locked(file: Rehearsed) -> str:
    taken = ", ".join(f"{lock} for {lock.seconds:.2f} s" for lock in file.locks)
    if not file.held:
        return taken or "no table that was there before"
    since: dict[str, list[str]] = {}
    for lock in file.held:
        since.setdefault(lock.file, []).append(str(lock))
    held = "; ".join(f"{', '.join(locks)} held since {stem}" for stem, locks in since.items())
    return f"{taken or 'no further table'}; {held}"


def _left(found: Rehearsal) -> str:
    first, *rest = found.left
    after = f"; the files after it were not rehearsed either: {', '.join(rest)}" if rest else ""
    return f"{first}, because {found.reason}{after}"
