"""The message about a row that says that its migration did not succeed."""

from __future__ import annotations

from bridge.database.quoting import quote, readable_constant
from bridge.findings import Finding, refusal
from bridge.ledger.history import Entry
from bridge.ledger.messages.wording import typed
from bridge.ledger.outcomes import NotDone
from bridge.ledger.state import State


def failed_row(state: State, entry: Entry, found: NotDone) -> Finding:
    """A row of another runner that is there although the migration did not succeed."""
    column = quote(found.column)
    where = state.condition(entry.stem)
    success = "NULL" if found.success is None else readable_constant(found.success)
    accept = f"UPDATE {state.ledger} SET {column} = {success} WHERE {where};"  # noqa: S608
    return refusal(
        "failed-row",
        f"{state.ledger} has a row for {entry.stem}, which says {column} = "
        f"{readable_constant(found.value)}: it did not succeed, or was taken back, and nobody can "
        "tell how much of its work is there.",
        f"If none of it is there, so that the next run is to apply it, type: eai migrate mark "
        f"{typed(entry.stem)} --pending. If all of it is there, type: {accept}",
        migration=entry.stem,
        file=entry.path,
    )
