"""The messages about a record that could not be written as planned."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.errors import LedgerError
from bridge.ledger.messages.wording import joined
from bridge.ledger.state import State


def forgetting(state: State, gone: Sequence[str]) -> LedgerError:
    """A stamp that would remove rows of migrations that are not in this folder."""
    row, it = ("row", "it") if len(gone) == 1 else ("rows", "they")
    them, files = ("it", "file is") if len(gone) == 1 else ("them", "files are")
    return LedgerError(
        f"This stamp would remove from {state.ledger} the {row} of {', '.join(gone)}, whose "
        f"{files} not in this folder: {it} may belong to a newer release, or to another "
        f"application, which would then run {them} a second time. Nothing was changed. If {it} "
        "must go all the same, add --purge."
    )


def not_kept(table: str, name: str, found: Sequence[object]) -> LedgerError:
    """A record that was written, and is not what the table has afterwards."""
    has = f"has {joined([str(each) for each in found])}" if found else "does not have it"
    return LedgerError(
        f"{name} was written into {table}, which then {has}: a trigger, a rule or a policy of the "
        f"table keeps records back, or changes them. Look at it with \\d {table} in psql, and "
        "disable what does that."
    )


def not_moved(table: str, rows: int) -> LedgerError:
    """A pointer that was to be changed, where not exactly one row was."""
    return LedgerError(
        f"{rows or 'No'} rows of {table} were changed, and not one: this file or another "
        "process has written into it, or a trigger, a rule or a policy of the table keeps it as it "
        f"is (\\d {table} in psql shows those)."
    )


def not_forgotten(table: str, left: Sequence[str]) -> LedgerError:
    """Rows that were deleted, and are there all the same."""
    return LedgerError(
        f"The rows of {joined(list(left))} were deleted from {table}, and are still there: a "
        "trigger, a rule or a policy of the table keeps them. Look at it with "
        f"\\d {table} in psql, and disable what does that."
    )
