"""Check a folder against a database: what is pending there, and what does not fit together.

It only reads.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.checks.rules import Problem, Severity, problem
from bridge.files.plain_file import PlainFile
from bridge.findings import Finding
from bridge.findings import Severity as FindingSeverity
from bridge.operations.status import Migration, MigrationState, Status, status_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.settings import Settings
    from bridge.database.request import Request

#: Findings that are reported otherwise: as the state of a migration, or by the check of its file.
_ELSEWHERE: Final = frozenset({"late", "changed", "unreadable-file"})
#: The rules for findings that have one of their own; the others are of the rule `ledger`.
_RULES: Final = {"file-missing": "file-missing", "newer": "file-missing"}


def database_problems(request: Request, folder: str, settings: Settings) -> list[Problem]:
    """Find what is pending in the database, and what does not fit together.

    Raises a BridgeError where nothing can be found out: no database, a table that cannot be read.
    """
    return [*status_problems(status_for(request), folder, settings)]


def status_problems(status: Status, folder: str, settings: Settings) -> Iterator[Problem]:
    """Find the same in a status that was read already."""
    for migration in status.migrations:
        path = PlainFile(folder, migration.version).path
        yield from _of_migration(migration, path, settings)
    for finding in status.findings:
        if finding.id not in _ELSEWHERE:
            yield _of_finding(finding, folder)


def _of_finding(finding: Finding, folder: str) -> Problem:
    rule = _RULES.get(finding.id, "ledger")
    path = folder
    if rule == "file-missing" and finding.migration:
        path = PlainFile(folder, finding.migration).path
    elif finding.file:
        path = PlainFile(folder, Path(finding.file).stem).path
    found = problem(rule, path, None, finding.message, finding.next)
    if finding.severity is FindingSeverity.WARNING:
        return replace(found, severity=Severity.WARNING)
    return found


def _of_migration(migration: Migration, path: str, settings: Settings) -> Iterator[Problem]:
    if migration.state in {MigrationState.PENDING, MigrationState.LATE}:
        yield problem("pending", path, None, "This database does not have it yet.")
    if migration.state is MigrationState.LATE:
        late = problem(
            "late",
            path,
            None,
            "This database has already applied migrations whose names sort after this one.",
            "Give it a name that sorts last, as long as it has not been applied anywhere.",
        )
        refused = settings.out_of_order == "refuse"
        yield replace(late, severity=Severity.ERROR) if refused else late
    elif migration.state is MigrationState.CHANGED:
        changed = problem(
            "changed-since-applied",
            path,
            None,
            f"{migration.version} was changed after this database applied it, and will not run "
            "there again.",
            "Put the applied text back and make the change in a new migration; or accept the "
            "present text: eai migrate repair",
        )
        refused = settings.drift == "refuse"
        yield replace(changed, severity=Severity.ERROR) if refused else changed
