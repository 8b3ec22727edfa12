"""Gather what `eai migrate status` shows: the database and its lock, or the files alone.

It only looks, in one transaction; how it is shown is decided in `bridge.cli.status_table`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bridge.config.settings import Settings
from bridge.database.connected import opened
from bridge.database.request import Request
from bridge.errors import FilesError
from bridge.files.folder import scan
from bridge.files.plain_file import PlainFile
from bridge.ledger.history import build_history
from bridge.ledger.messages.files import unreadable
from bridge.ledger.read import read_state
from bridge.ledger.tables import Ledger
from bridge.operations.lock_status import LockStatus, lock_status
from bridge.operations.read_only import looking
from bridge.operations.status import Migration, MigrationState, Status, status_of

#: Exit codes of --check.
PENDING, PROBLEM = 3, 4


@dataclass(frozen=True, slots=True)
class Overview:
    """The status, the files and the lock of a project at one moment."""

    folder: str
    #: Without a database only its migrations and problems say something.
    status: Status
    #: None where no database was asked.
    lock: LockStatus | None

    @property
    def exit_code(self) -> int:
        """The exit code of --check; a problem goes before what is pending."""
        if self.status.problems:
            return PROBLEM
        return PENDING if self.status.pending else 0

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        known = self.status.to_json()
        if self.lock is None:
            # Null, for "none" and "no" would be claims about a database that nobody has asked.
            return {**known, "up_to_date": None, "pending": None, "lock": None}
        return {**known, "lock": self.lock.to_json()}


def overview(request: Request) -> Overview:
    """Look at the folder and the database; raises as `bridge.status` does."""
    settings = request.settings()
    # Before anything is connected to: what is wrong with the folder needs no database.
    files = scan(settings.folder, settings.conventions).files
    with opened(request, settings) as here:
        with looking(here, settings) as connection:
            state = read_state(connection, Ledger.of(settings), files)
            lock = lock_status(connection, verbatim=settings.show_parameters)
        # Read and compared with the transaction closed: the files can be many.
        found = status_of(files, state, settings)
    return Overview(settings.folder, found, lock)


def overview_of_files(settings: Settings) -> Overview:
    """Gather what the files alone tell: which there are, and what is wrong with them.

    Raises FilesError if the folder cannot be read, or holds what would never run.
    """
    files = scan(settings.folder, settings.conventions).files
    findings = []
    migrations = []
    for entry in build_history(files, ()).pending:
        assert entry.file is not None  # noqa: S101 - of files alone
        try:
            _ = entry.file.runnable
        except FilesError as error:
            findings.append(unreadable(entry, str(error)))
        found = Migration(
            entry.stem,
            _description(entry.file),
            MigrationState.UNKNOWN,
            None,
            None,
            replaces=len(entry.replaces),
        )
        migrations.append(found)
    problems = tuple(map(str, findings))
    known = Status(None, tuple(migrations), problems, findings=tuple(findings))
    return Overview(settings.folder, known, None)


def _description(file: PlainFile) -> str:
    with suppress(FilesError):
        return file.header.description
    return file.stem
