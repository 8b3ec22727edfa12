"""What `check` has to say about a folder and a database together; it only reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.checks.rules import Problem, Severity, problem
from bridge.files.plain_file import PlainFile
from bridge.ledger.findings import Severity as Warns
from bridge.operations.status import Migration, MigrationState, Status, status_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.settings import Settings
    from bridge.database.request import Request


def database_problems(request: Request, folder: str, settings: Settings) -> list[Problem]:
    """What is pending, and what does not fit together.

    Raises a BridgeError where there is nothing to tell: no database, a table that cannot be read.
    """
    return [*standing_problems(status_for(request), folder, settings)]


def standing_problems(status: Status, folder: str, settings: Settings) -> Iterator[Problem]:
    """As `database_problems`, of what a database has answered already."""
    for each in status.migrations:
        yield from _of_migration(each, PlainFile(folder, each.version).path, settings)
    for finding in status.findings:
        # A state of a migration is told above, and a bad file by the look into it.
        if finding.id not in _TOLD:
            path = (finding.file and PlainFile(folder, Path(finding.file).stem).path) or folder
            rule = _RULES.get(finding.id, "ledger")
            if rule == "file-missing" and finding.migration:
                path = PlainFile(folder, finding.migration).path
            found = problem(rule, path, None, finding.message, finding.next)
            warns = finding.severity is Warns.WARNING
            yield replace(found, severity=Severity.WARNING) if warns else found


#: What `_of_migration` tells, or a rule about files.
_TOLD = frozenset({"late", "changed", "unreadable-file"})
_RULES = {"file-missing": "file-missing", "newer": "file-missing"}


def _of_migration(migration: Migration, path: str, settings: Settings) -> Iterator[Problem]:
    stem = migration.version
    match migration.state:
        case MigrationState.PENDING | MigrationState.LATE:
            yield problem("pending", path, None, "This database does not have it yet.")
    match migration.state:
        case MigrationState.LATE:
            late = problem(
                "late",
                path,
                None,
                "Migrations whose names sort after this one were applied to this database already.",
                "Give it a name that sorts last, as long as it has not been applied anywhere.",
            )
            refused = settings.out_of_order == "refuse"
            yield replace(late, severity=Severity.ERROR) if refused else late
        case MigrationState.CHANGED:
            changed = problem(
                "changed-since-applied",
                path,
                None,
                f"{stem} was changed after it was applied to this database, where it is not run "
                "again.",
                "Put back the text that was applied, and the change into a new migration; or "
                "accept the present text: eai migrate repair",
            )
            refused = settings.drift == "refuse"
            yield replace(changed, severity=Severity.ERROR) if refused else changed
