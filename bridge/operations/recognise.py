"""Describe what a database has recorded, before anything is done with it."""

from __future__ import annotations

from bridge.database.connected import named
from bridge.database.database import Database
from bridge.database.request import Request
from bridge.files.folder import scan
from bridge.ledger.lacking_columns import additions
from bridge.ledger.read import read_state
from bridge.ledger.state import State
from bridge.ledger.tables import Ledger
from bridge.operations.read_only import looking
from bridge.operations.status import MigrationState, Status, status_of
from bridge.reporting.numbers import counted, listed

#: Names of migrations that are shown in one sentence.
_SHOWN = 5


def recognise(request: Request) -> list[str]:
    """Say what the ledger of the database was recognised as, and what would be pending.

    Raises a BridgeError if the database cannot be read, or nothing can be made of its ledger.
    """
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    with named(request, settings) as here:
        with looking(here, settings) as connection:
            state = read_state(connection, Ledger.of(settings), files)
        status = status_of(files, state, settings)
        where = here.database.describe() if isinstance(here.database, Database) else "database"
    return [f"In the {where}:", *(f"  {line}" for line in _lines(state, status))]


def _lines(state: State, status: Status) -> list[str]:
    lines = [_ledger(state)]
    gone = [m.version for m in status.migrations if m.state is MigrationState.MISSING]
    if state.rows:
        count = len(state.rows) - len(gone)
        lines.append(f"{count} of them {'is a file' if count == 1 else 'are files'} of the folder.")
    if gone:
        lines.append(f"Without a file: {listed(gone, _SHOWN)}.")
    lines += [*status.problems, *status.warnings]
    if sentence := additions(state):
        lines.append(sentence)
    if not status.problems:
        pending = status.pending
        lines.append(f"Pending: {listed(pending, _SHOWN)}." if pending else "Nothing is pending.")
    return lines


def _ledger(state: State) -> str:
    if not state.exists:
        return f"There is no table {state.ledger} yet: the first run makes it."
    if not state.rows:
        return f"The table {state.ledger} is there, without any row."
    rows = counted(len(state.rows), "row")
    form = state.keys.form if state.keys else "stem"
    return (
        f"The table {state.ledger} was recognised: {rows}, which name migrations by their {form} "
        f"in the column {state.key_column}."
    )
