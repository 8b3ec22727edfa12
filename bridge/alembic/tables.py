"""Put the ledger and Alembic's version table in order before a command writes into them.

Nothing of this is committed before the first migration begins: a command that is refused after
all, or a stamp that fails, leaves both tables as they were.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateTable

from bridge.alembic.version_table import widened_version_table
from bridge.errors import BridgeError, FilesError, LedgerError
from bridge.ledger.access import creating
from bridge.ledger.definition import ensure_ledger, widen_version_table
from bridge.ledger.drift import has_text_of, row_of
from bridge.ledger.preflight import BOOKKEEPING
from bridge.ledger.records import record_checksums, set_pointer
from bridge.ledger.refused import refused
from bridge.ledger.rights import read_only, rights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alembic.runtime.migration import MigrationContext

    from bridge.alembic.rows import Rows
    from bridge.alembic.run import CommandRun
    from bridge.ledger.history import Entry, Row
    from bridge.ledger.preflight import Preflight
    from bridge.ledger.state import State


def prepare_tables(
    run: CommandRun, ctx: MigrationContext, rows: Rows, found: Preflight, *, stamping: bool
) -> BridgeError | None:
    """Put both tables in order, or return why that cannot be done here."""
    state = rows.state
    if state.session.read_only:
        there = state.exists and state.pointer_table is not None
        if there and not (found.moves_pointer or stamping):
            return None
        return refused([read_only(state, BOOKKEEPING)])
    if found.moves_pointer and (lacking := [*rights(state, set(), {"INSERT", "DELETE"})]):
        return refused(lacking)
    to_record = _ToRecord.nothing() if stamping else _ToRecord.of(state, found)
    if state.complete and not (found.moves_pointer or to_record.checksums or to_record.squashes):
        return None
    try:
        with run.connection.begin_nested():
            _make(run, ctx, rows, found)
            if found.moves_pointer:
                set_pointer(run.connection, run.ledger, found.pointer)
            _record(run, rows, to_record)
    except LedgerError as error:
        rows.notes.clear()
        return error
    return None


def _make(run: CommandRun, ctx: MigrationContext, rows: Rows, found: Preflight) -> None:
    """Make the tables, or add what they lack, and go by what they have then."""
    state = rows.state
    now = ensure_ledger(run.connection, run.ledger)
    rows.layout = now.knowing(state.layout)
    table = state.table
    if now.lacking and table is not None:
        # Somebody holds the table: it is used as it is, and what it lacks is told.
        table = replace(table, owned=False)
    rows.state = replace(state, layout=rows.layout, table=table)
    longest = max((len(e.revision) for e in found.history.entries), default=0)
    widen_version_table(run.connection, run.ledger, longest=longest)
    if state.pointer_table is None:
        with creating(run.ledger):
            # As text: options of an Engine could send it to another schema.
            create = CreateTable(widened_version_table(ctx)).compile(dialect=run.connection.dialect)
            run.connection.exec_driver_sql(str(create))


@dataclass(frozen=True, slots=True)
class _ToRecord:
    """What is applied already, and not all of it recorded."""

    #: By the names of the rows.
    checksums: Mapping[str, str]
    squashes: tuple[tuple[Entry, Row], ...]

    @classmethod
    def nothing(cls) -> _ToRecord:
        return cls({}, ())

    @classmethod
    def of(cls, state: State, found: Preflight) -> _ToRecord:
        return cls(_checksums(state, found), tuple(_squashes(state, found)))


def _record(run: CommandRun, rows: Rows, to_record: _ToRecord) -> None:
    checksums = to_record.checksums
    if checksums and "checksum" in rows.layout.columns:
        record_checksums(run.connection, run.ledger, rows.layout, checksums)
        now = tuple(
            replace(row, checksum=checksums[row.name], form=None) if row.name in checksums else row
            for row in rows.state.rows
        )
        rows.state = replace(rows.state, rows=now)
    for entry, row in to_record.squashes:
        rows.add_unrun(entry, row)


def _checksums(state: State, found: Preflight) -> dict[str, str]:
    """Return the checksums to record: of applied files that have none, where a column is there.

    Nothing else is known of them, and a later change or another name is noticed from then on.
    """
    table = state.table
    if table is None or "UPDATE" not in table.rights:
        return {}
    if table.hides("UPDATE") or "UPDATE" in table.published:
        return {}
    checksums = {}
    for entry in found.history.applied:
        file, row = entry.file, entry.row
        # A file of its own name is what no other file was said to be.
        if file is not None and row is not None and row.lacks_checksum:
            with suppress(FilesError):
                # What another team's checksum says to be changed is not accepted unseen.
                if row.form is None or has_text_of(row, file):
                    checksums[row.name] = file.checksum()
    return checksums


def _squashes(state: State, found: Preflight) -> list[tuple[Entry, Row]]:
    """Return the squashes that count as applied, and are to be recorded as well."""
    if state.table is not None and "INSERT" not in state.table.rights:
        return []
    if state.imported is not None:  # what they replace is not recorded either
        return []
    squashes = []
    for entry in found.history.applied:
        if entry.row is not None and entry.row.unrecorded and entry.file is not None:
            with suppress(FilesError):  # it counts as applied without a row as well
                if not state.shares_row(entry.stem, entry.replaces):
                    squashes.append((entry, row_of(entry.file)))
    return squashes
