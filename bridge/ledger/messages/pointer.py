"""The messages about a version table that disagrees with the rows or the folder.

Each refusal names the ways on, as commands that can be typed as they stand.
"""

from __future__ import annotations

from bridge.findings import Finding, refusal, warning
from bridge.ledger.messages.wording import joined
from bridge.ledger.state import State
from bridge.reporting.numbers import counted


def foreign_version_table(state: State, unknown: tuple[str, ...]) -> Finding:
    """Pointers that mean nothing here, and no column of bridge's."""
    return refusal(
        "foreign-version-table",
        f"{state.version_table} holds {joined(unknown)}, which is neither a file of this folder "
        f"nor a row of {state.ledger}: it looks like the version table of another Alembic "
        "environment.",
        "Give this application a table of its own with "
        "version_table = NAME in alembic.ini, or correct version_locations if the folder is the "
        "wrong one.",
    )


def lost(state: State, pointer: str) -> Finding:
    """A pointer whose rows are gone."""
    at = f"{state.version_table} says that this database is at {pointer}, but {state.ledger}"
    ran = f"If every migration up to {pointer} did run, type: alembic stamp {pointer}."
    if not state.exists:
        return refusal(
            "lost-ledger",
            f"{at}, which tells which migrations ran, does not exist: a file that came late "
            "would be taken for applied.",
            f"{ran} Otherwise restore {state.ledger} from a backup.",
        )
    return refusal(
        "lost-ledger",
        f"{at} is empty, and nobody can tell whether its rows were lost or removed on purpose.",
        f"{ran} To run them all again, type: alembic stamp base.",
    )


def lost_without_trace(state: State, unknown: tuple[str, ...]) -> Finding:
    """No row in a ledger of bridge's, and a pointer that no file explains either."""
    return refusal(
        "lost-ledger",
        f"{state.ledger} is empty, and {state.version_table} holds {joined(unknown)}, which is not "
        "a file of this folder: something was applied to this database, and nothing says what, so "
        "that every migration would run again.",
        "If migrations did run, "
        "type with the name of the last one that did: alembic stamp --purge REV. To run them all "
        "again, type: alembic stamp --purge base.",
    )


def imported(state: State) -> Finding:
    """Pointers that are revisions of an imported history, of which nothing is recorded yet."""
    pointers = state.imported.pointers if state.imported else ()
    return warning(
        "imported",
        f"{state.version_table} says {joined(pointers)}: what Alembic calls {state.pointers[0]} "
        f"here. {counted(len(state.rows), 'imported migration')} count as applied.",
        f"They are recorded, and {state.version_table} is moved, together with the next migration; "
        "until then releases that use Alembic alone run beside this one.",
        migration=state.rows[-1].version,
    )


def imported_unclear(state: State, why: str) -> Finding:
    """Pointers that are revisions of an imported history, and files that do not tell all of it."""
    return refusal(
        "imported-unclear",
        f"{state.version_table} says {joined(state.pointers)}, which an imported file was, but "
        f"nobody can tell which files have run here: {why}",
        "Or say which file has run last, with all before it: alembic stamp --purge NAME",
    )


def moved(state: State, last: str | None) -> Finding:
    """A pointer that is not the migration applied last."""
    return warning(
        "pointer-moved",
        f"{state.version_table} says {joined(state.pointers)}, but the migration that "
        f"{state.ledger} records as applied last is {last}.",
        f"The rows are believed: {state.version_table} is set to {last}.",
        migration=last,
    )


def removed(state: State, first: str) -> Finding:
    """A pointer at the first migration, and no row."""
    return warning(
        "rerun",
        f"{state.version_table} says {first}, but {state.ledger} holds no row: its row was "
        "removed.",
        "It is run again.",
        migration=first,
    )


def unknown(state: State, unknown: tuple[str, ...], last: str | None) -> Finding:
    """A pointer that is neither a row nor a file."""
    return warning(
        "pointer-moved",
        f"{state.version_table} says {joined(unknown)}, which is neither a file nor a row of "
        f"{state.ledger}.",
        f"The rows are believed: {state.version_table} is set to {last}.",
        migration=last,
    )
