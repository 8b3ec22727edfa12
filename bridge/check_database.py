"""What `check` has to say about a folder and a database together; it only reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge import disagreements as say
from bridge.plainfile import PlainFile
from bridge.rules import Problem, Severity, problem, told
from bridge.standing import Migration, MigrationState, Status, status_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.request import Request
    from bridge.settings import Settings


def database_problems(request: Request, folder: str, settings: Settings) -> list[Problem]:
    """What is pending, and what does not fit together.

    Raises a BridgeError where there is nothing to tell: no database, a table that cannot be read.
    """
    return [*standing_problems(status_for(request), folder, settings)]


def standing_problems(status: Status, folder: str, settings: Settings) -> Iterator[Problem]:
    """As `database_problems`, of what a database has answered already."""
    for each in status.migrations:
        yield from _of_migration(each, PlainFile(folder, each.version).path, settings)
    changed = [m.version for m in status.migrations if m.state is MigrationState.CHANGED]
    late = [m.version for m in status.migrations if m.state is MigrationState.LATE]
    missing = [m.version for m in status.migrations if m.state is MigrationState.MISSING]
    known = {say.changed_warning(changed), str(say.changed_refusal(changed))} if changed else set()
    for sentences in (*status.problems, *status.warnings):
        is_known = sentences in known or (late and sentences.startswith(f"{late[0]}.py"))
        if is_known or _of_a_file(sentences, settings.folder):
            continue  # told above, or by the look into the file
        gone = next((m for m in missing if sentences.startswith((f"{m}:", f"{m},"))), None)
        if gone:
            yield told("file-missing", PlainFile(folder, gone).path, None, sentences)
            continue
        found = told("ledger", folder, None, sentences)
        warning = sentences in status.warnings
        yield replace(found, severity=Severity.WARNING) if warning else found


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


def _of_a_file(sentences: str, folder: str) -> bool:
    return sentences.startswith(PlainFile(folder, "").path.removesuffix(".py"))
