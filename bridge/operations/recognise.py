"""Describe what a database has recorded, before anything is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bridge.database.connected import described, named
from bridge.files.folder import scan
from bridge.ledger.keys import Form
from bridge.ledger.lacking_columns import additions
from bridge.ledger.read import read_state
from bridge.ledger.tables import Ledger
from bridge.operations.read_only import looking
from bridge.operations.status import MigrationState, Status, status_of
from bridge.reporting.numbers import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.state import State

#: Names of migrations that are shown in one sentence.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a database has recorded, by the files of the folder."""

    #: The database, as each run names it.
    where: str
    #: The ledger, in one sentence.
    ledger: str
    #: How many rows it has.
    rows: int
    status: Status
    #: What the first run adds to the ledger, in one sentence; None if nothing.
    adds: str | None
    #: The settings that say what was recognised, where it is unusual.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: The columns that hold the team's own checksums, each with their form.
    checksums: Mapping[str, str] = field(default_factory=dict)

    @property
    def gone(self) -> list[str]:
        """The rows whose file is not in the folder."""
        return [m.version for m in self.status.migrations if m.state is MigrationState.MISSING]

    @property
    def applied(self) -> int:
        """How many rows are files of the folder."""
        return self.rows - len(self.gone)

    @property
    def lines(self) -> list[str]:
        """Return all of it in sentences."""
        status = self.status
        lines = [self.ledger]
        if self.rows:
            are = "is a file" if self.applied == 1 else "are files"
            lines.append(f"{self.applied} of them {are} of the folder.")
        for column, form in self.checksums.items():
            lines.append(f"The column {column} holds {form}: new rows get theirs.")
        if self.gone:
            lines.append(f"Without a file: {listed(self.gone, _SHOWN)}.")
        lines += [*status.problems, *status.warnings, *([self.adds] if self.adds else [])]
        if not status.problems:
            pending = status.pending
            shown = f"Pending: {listed(pending, _SHOWN)}." if pending else "Nothing is pending."
            lines.append(shown)
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "database": self.where,
            "ledger": self.ledger,
            "rows": self.rows,
            "applied": self.applied,
            "adds": self.adds,
            "settings": dict(self.settings),
            "checksums": dict(self.checksums),
            "status": self.status.to_json(),
        }


def recognise(request: Request) -> Recognised:
    """Say what the ledger of the database was recognised as, and what would be pending.

    A ledger under another name is looked into as well. Raises a BridgeError if the database cannot
    be read, or nothing can be made of its ledger.
    """
    settings = before = request.settings()
    files = scan(settings.folder, settings.conventions).files
    with named(request, settings) as here:
        where = described(here)
        state = _read(here, settings, files)
        if state.other_table is not None:
            named_so = {**state.other_table.settings, "ledger_is_named": True}
            settings = replace(settings, **named_so)  # type: ignore[arg-type]
            state = _read(here, settings, files)
    return Recognised(
        where=where,
        ledger=_ledger(state),
        rows=len(state.rows),
        status=status_of(files, state, settings),
        adds=additions(state),
        settings=_settings(state, settings, before),
        checksums={column: str(form) for column, form in state.checksums.items()},
    )


def _read(request: Request, settings: Settings, files: Sequence[PlainFile]) -> State:
    with looking(request, settings) as connection:
        return read_state(connection, Ledger.of(settings), files)


def _settings(state: State, settings: Settings, before: Settings) -> dict[str, str]:
    """Return what is to be set so that nothing has to be recognised any more."""
    found: dict[str, str] = {}
    if settings.version_table_schema != before.version_table_schema:
        found["version_table_schema"] = str(settings.version_table_schema)
    if settings.ledger_table != "schema_migrations":
        found["ledger_table"] = settings.ledger_table
    if state.rows and state.keys is not None:
        form = state.keys.form
        if form is Form.PARTS:
            if any(len(same) > 1 for same in state.keys.by_number.values()):
                return found  # no setting says it of two columns
            form = Form.NUMBER  # the words say nothing more
        if state.key_column not in {None, "version"}:
            found["ledger_key"] = str(state.key_column)
        if form is not Form.STEM:
            found["ledger_key_form"] = str(form)
    return found


def _ledger(state: State) -> str:
    if not state.exists:
        return f"There is no table {state.ledger} yet: the first run makes it."
    if not state.rows:
        return f"The table {state.ledger} is there, without any row."
    rows = counted(len(state.rows), "row")
    return (
        f"The table {state.ledger} was recognised: {rows}, which name migrations by {state.naming}."
    )
