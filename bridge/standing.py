"""Where a database stands: what is applied, what is pending, and what is wrong.

It only looks: nothing is written, no lock is taken and Alembic is not imported. An ``env.py`` of
a team's own is not run; the tables are those that the settings name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge import disagreements as say
from bridge.drift import changed, renamed
from bridge.errors import FilesError, LedgerError
from bridge.folder import scan
from bridge.handed_in import usable
from bridge.line import Entry, Line
from bridge.looking import looking
from bridge.plainfile import PlainFile
from bridge.reconcile import line_of, reconcile
from bridge.reporting import LogReporter
from bridge.request import Request
from bridge.settings import Drift, OutOfOrder
from bridge.site import ledger_of
from bridge.state import State, named

if TYPE_CHECKING:
    from bridge.handed_in import HandedIn


class MigrationState(StrEnum):
    """What disk and database say together about one migration."""

    #: It has a row, and its file is what was applied as far as that is recorded.
    APPLIED = "applied"
    #: Its file is there, and it has no row.
    PENDING = "pending"
    #: Pending, and its name sorts before one that was applied already.
    LATE = "late"
    #: It has a row, and its file is gone.
    MISSING = "file missing"
    #: It has a row, and its file is not what was applied.
    CHANGED = "changed"
    #: No database was asked; only `eai migrate status --offline` says this.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration of the folder, of the ledger, or of both."""

    #: The file's stem, `004_new_feature`.
    version: str
    description: str
    state: MigrationState
    #: When it was applied: a time, in some adopted tables only a date, or unknown.
    applied_at: date | None
    #: How long it took, in milliseconds, if that is recorded.
    execution_ms: int | None

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows."""
        return {
            "version": self.version,
            "description": self.description,
            "state": str(self.state),
            "applied_at": self.applied_at.isoformat() if self.applied_at else None,
            "execution_ms": self.execution_ms,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stood when it was asked."""

    #: The Alembic revision id of the migration applied last; None where none is.
    current: str | None
    #: Applied ones in the order in which they were applied, then pending ones by name.
    migrations: tuple[Migration, ...]
    #: For what an upgrade would refuse to run, each a sentence or a few.
    problems: tuple[str, ...] = ()
    #: What a person should know although an upgrade would run.
    warnings: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """The versions that an upgrade would run, in that order; late ones are among them."""
        waiting = {MigrationState.PENDING, MigrationState.LATE}
        return tuple(each.version for each in self.migrations if each.state in waiting)

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending, and nothing is wrong."""
        return not (self.pending or self.problems)

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        return {
            "current": self.current,
            "up_to_date": self.up_to_date,
            "pending": list(self.pending),
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "migrations": [each.to_json() for each in self.migrations],
        }


def status(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    embedded: bool = False,
    wait_for_server: float | None = None,
) -> Status:
    """Say where the database stands, without writing anything or taking a lock.

    The arguments are those of `upgrade`. `wait_for_server` is in seconds; None for what the
    settings say, else 0. A Connection is given back in a transaction only if it came in one.

    Raises a BridgeError where there is nothing to tell: no database, a folder that cannot be
    read, a table that cannot be. What an upgrade would refuse is in the Status instead.
    """
    request = Request(
        database=usable(database),
        config=config,
        embedded=embedded,
        overrides={"wait_for_server": wait_for_server},
        reporter=LogReporter(),
    )
    return status_for(request)


def status_for(request: Request) -> Status:
    """As `status`, for a Request."""
    settings = request.settings()
    # Before anything is connected to: what is wrong with the folder needs no database.
    files = scan(settings.folder).files
    with looking(request, settings) as connection:
        state = ledger_of(settings).read(connection)
    return status_of(files, state, drift=settings.drift, out_of_order=settings.out_of_order)


def status_of(
    files: Sequence[PlainFile],
    state: State,
    *,
    drift: Drift = "warn",
    out_of_order: OutOfOrder = "run",
) -> Status:
    """What these files and this state of a database mean together.

    Reads the files that are applied, for their checksums, and the headers of those pending.
    Raises LedgerError if nobody can tell what the ledger calls the migrations.
    """
    state = named(files, state)
    line = line_of(files, state)
    differing = changed(line)
    problems = [
        *_refusals(files, state, line),
        *_by_settings(line, differing, drift=drift, out_of_order=out_of_order),
        *_unreadable_files(line),
    ]
    return Status(
        current=line.pointer,
        migrations=tuple(_migration(entry, line, differing) for entry in line.entries),
        problems=tuple(problems),
        warnings=tuple(_warnings(files, state, line, () if drift == "refuse" else differing)),
    )


def _refusals(files: Sequence[PlainFile], state: State, line: Line) -> Iterator[str]:
    """What no setting allows."""
    try:
        reconcile(files, state)
    except LedgerError as error:
        yield str(error)
    else:
        for each in renamed(line):
            yield str(say.same_text(state, each.old.stem, each.new[0].stem))
        if line.breaking:
            yield str(say.breaking(state, _stems(line.breaking)))


def _by_settings(
    line: Line, differing: Sequence[Entry], *, drift: Drift, out_of_order: OutOfOrder
) -> Iterator[str]:
    """What the settings want refused."""
    if differing and drift == "refuse":
        yield str(say.changed_refusal(_stems(differing)))
    if line.late and out_of_order == "refuse":
        names = ", ".join(f"{stem}.py" for stem in _stems(line.late))
        last = max(entry.stem for entry in line.applied if entry.file is not None)
        came, them = ("comes", "it") if len(line.late) == 1 else ("come", "them")
        yield (
            f"{names} {came} late: {last} was applied already, and out_of_order = refuse is set. "
            f"Give {them} a number after {last}, or set out_of_order = run."
        )


def _unreadable_files(line: Line) -> Iterator[str]:
    for entry in line.pending:
        try:
            _ = entry.file and entry.file.runnable
        except FilesError as error:
            yield str(error)


def _warnings(
    files: Sequence[PlainFile], state: State, line: Line, differing: Sequence[Entry]
) -> Iterator[str]:
    with suppress(LedgerError):  # it is among the problems
        for each in reconcile(files, state).warnings:
            yield f"{each} (The next run does that; nothing was changed now.)"
    if differing:
        yield say.changed_warning(_stems(differing))
    if line.holes:
        yield say.hole(_stems(line.holes))
    if line.newer:
        yield say.newer(_stems(line.newer))


def _migration(entry: Entry, line: Line, differing: Sequence[Entry]) -> Migration:
    row = entry.row
    if row is None:
        state = MigrationState.LATE if entry in line.late else MigrationState.PENDING
    elif entry.file is None:
        state = MigrationState.MISSING
    else:
        state = MigrationState.CHANGED if entry in differing else MigrationState.APPLIED
    return Migration(
        version=entry.stem,
        description=_description(entry),
        state=state,
        applied_at=row.applied_at if row else None,
        execution_ms=row.execution_ms if row else None,
    )


def _description(entry: Entry) -> str:
    """As recorded, else as the file says, else its name."""
    if entry.row is not None and entry.row.description:
        return entry.row.description
    with suppress(FilesError):
        return entry.file.header.description if entry.file else entry.stem
    return entry.stem


def _stems(entries: Sequence[Entry]) -> list[str]:
    return [entry.stem for entry in entries]
