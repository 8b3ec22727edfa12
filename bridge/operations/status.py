"""The status of a database: what is applied, what is pending, and what is wrong.

It only looks: nothing is written, no lock is taken and Alembic is not imported. An ``env.py`` of
a team's own is not run; the tables are those that the settings name.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bridge.config.settings import Settings
from bridge.database.request import Request
from bridge.errors import FilesError
from bridge.files.folder import scan
from bridge.files.plain_file import PlainFile
from bridge.findings import Finding, Severity
from bridge.ledger.history import Entry
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.read import read_state
from bridge.ledger.state import State
from bridge.ledger.tables import Ledger
from bridge.operations.by_program import by_program
from bridge.operations.read_only import looking

if TYPE_CHECKING:
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn


class MigrationState(StrEnum):
    """The state of one migration, from disk and database together."""

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
    #: How many migrations it stands for, if it is a squash; 0 for any other.
    replaces: int = 0

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows."""
        return {
            "version": self.version,
            "description": self.description,
            "state": str(self.state),
            "applied_at": self.applied_at.isoformat() if self.applied_at else None,
            "execution_ms": self.execution_ms,
            "replaces": self.replaces,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a database when it was asked."""

    #: The Alembic revision id of the migration applied last; None where none is.
    current: str | None
    #: Applied ones in the order in which they were applied, then pending ones by name.
    migrations: tuple[Migration, ...]
    #: For what an upgrade would refuse to run, each a sentence or a few.
    problems: tuple[str, ...] = ()
    #: What a person should know although an upgrade would run.
    warnings: tuple[str, ...] = ()
    #: The same with ids, files and what to type, problems first.
    findings: tuple[Finding, ...] = ()

    @property
    def pending(self) -> tuple[str, ...]:
        """The versions that an upgrade would run, in that order; late ones are among them."""
        waiting = {MigrationState.PENDING, MigrationState.LATE}
        return tuple(each.version for each in self.migrations if each.state in waiting)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """The findings for which an upgrade would refuse to run."""
        return tuple(each for each in self.findings if each.severity is Severity.ERROR)

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
            "findings": [each.to_json() for each in self.findings],
            "migrations": [each.to_json() for each in self.migrations],
        }


#: Whether the role could write is for the process that does.
_OF_THE_WRITER = frozenset({"rights", "lacks-columns", "breaking-unrecorded", "drift-unrecorded"})


def of_reader(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that matter to a process which is not to write."""
    return [each for each in findings if each.id not in _OF_THE_WRITER]


def status(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    embedded: bool = False,
    wait_for_server: float | None = None,
) -> Status:
    """Return the status of the database, without writing anything or taking a lock.

    The arguments are those of `upgrade`. `wait_for_server` is in seconds; None for what the
    settings say, else 0. A Connection is given back in a transaction only if it came in one.

    Raises a BridgeError where there is nothing to tell: no database, a folder that cannot be
    read, a table that cannot be. What an upgrade would refuse is in the Status instead.
    """
    request = Request.to_look(
        database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_server=wait_for_server,
    )
    with by_program(request, target) as here:
        return status_for(here)


def status_for(request: Request) -> Status:
    """Return the status for a Request, as `status` does."""
    settings = request.settings()
    # Before anything is connected to: what is wrong with the folder needs no database.
    files = scan(settings.folder, settings.conventions).files
    return status_with(request, settings, files)


def status_with(
    request: Request,
    settings: Settings,
    files: Sequence[PlainFile],
    *,
    lock_timeout: float | None = None,
) -> Status:
    """Do as `status_for` does, with the files of the folder.

    Waits for locks of others for at most so many seconds; None for what the server says.
    """
    with looking(request, settings, lock_timeout=lock_timeout) as connection:
        state = read_state(connection, Ledger.of(settings), files)
    return status_of(files, state, settings)


def status_of(files: Sequence[PlainFile], state: State, settings: Settings) -> Status:
    """Return the status that these files and this state of a database make.

    Reads the files that are applied, for their checksums, and those pending. Raises LedgerError if
    nobody can tell what the ledger calls the migrations.
    """
    found = preflight(Command.UPGRADE, files, state, settings, looking=True)
    history, late, changed = found.history, set(found.history.late), set(found.changed)
    warnings = tuple(map(_not_now, found.warnings))
    return Status(
        current=history.pointer,
        migrations=tuple(_migration(entry, late, changed) for entry in history.entries),
        problems=tuple(map(str, found.refusals)),
        warnings=tuple(str(each) for each in warnings if each.id != "late"),
        findings=(*found.refusals, *warnings),
    )


def _not_now(finding: Finding) -> Finding:
    """Say what the next run does about it, where that changes the database."""
    if finding.id not in {"pointer-moved", "rerun"} or not finding.next:
        return finding
    then = f"{finding.next} (The next run does that; nothing was changed now.)"
    return replace(finding, next=then)


def _migration(entry: Entry, late: Collection[Entry], changed: Collection[Entry]) -> Migration:
    row = entry.row
    if row is None:
        state = MigrationState.LATE if entry in late else MigrationState.PENDING
    elif entry.file is None:
        state = MigrationState.MISSING
    else:
        state = MigrationState.CHANGED if entry in changed else MigrationState.APPLIED
    return Migration(
        version=entry.stem,
        description=_description(entry),
        state=state,
        applied_at=row.applied_at if row else None,
        execution_ms=row.execution_ms if row else None,
        replaces=len(entry.replaces),
    )


def _description(entry: Entry) -> str:
    """Return the description as recorded, else as the file says, else its name."""
    if entry.row is not None and entry.row.description:
        return entry.row.description
    with suppress(FilesError):
        return entry.file.header.description if entry.file else entry.stem
    return entry.stem
