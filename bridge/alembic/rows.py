"""The rows that one writing command adds to the ledger and takes out of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError
from bridge.ledger import sql
from bridge.ledger.drift import row_of
from bridge.ledger.history import Entry, Row
from bridge.ledger.messages.squashes import recorded_unrun
from bridge.ledger.records import record_all, record_applied, record_unapplied, set_pointer

if TYPE_CHECKING:
    from bridge.alembic.run import CommandRun
    from bridge.ledger.layout import Layout
    from bridge.ledger.state import State

#: The SQLSTATE of a second row with one key.
_UNIQUE_VIOLATION = "23505"


class Rows:
    """The ledger as it was read, and what this command writes into it.

    Everything raises what `record_applied` raises: nothing is recorded then.
    """

    def __init__(self, run: CommandRun, state: State) -> None:
        self._run = run
        #: As it was read, and as it is since both tables are in order.
        self.state = state
        #: The columns that are written.
        self.layout: Layout = state.layout
        #: What counts as applied, and is recorded together with the first change.
        self.imported = state.imported
        #: What is told as soon as it is committed.
        self.notes: list[str] = []

    def recorded(self, row: Row) -> Row:
        """Return the row as the ledger has it."""
        key = self.state.key(row.version)
        return row if row.name == key else replace(row, key=key)

    def add(self, row: Row, *, pointer: str | None = None, after: Collection[str] = ()) -> None:
        """Add the row of a migration, as `record_applied` does."""
        run, recorded = self._run, self.recorded(row)
        try:
            record_applied(
                run.connection, run.ledger, self.layout, recorded, pointer=pointer, after=after
            )
        except IntegrityError as error:
            if sqlstate(error) != _UNIQUE_VIOLATION or not _is_about(error, self.layout):
                raise
            raise LedgerError(
                f"{run.ledger.name} already holds a row for {row.version}: another process "
                "has applied it at the same time, without the migration lock."
            ) from error

    def add_replaced(self, entry: Entry) -> None:
        """Record what a squash replaces, for older releases that still have it."""
        if entry.replaces:
            run, rows = self._run, self.state.replaced_rows(entry.stem, entry.replaces)
            send(run.connection, *sql.insert_replaced(run.ledger, self.layout, rows))

    def add_unrun(self, entry: Entry, row: Row) -> None:
        """Record a squash that does not run here, behind what it replaces."""
        state = self.state
        if not state.shares_row(entry.stem, entry.replaces):
            # What older releases cannot work after has been applied already.
            after = [state.key(name) for name in entry.replaces]
            self.add(replace(row, breaking=False), after=after)
        self.notes.append(recorded_unrun(entry))

    def add_imported(self, pointer: str | None) -> None:
        """Record what Alembic has applied and the files that it is now, if that is still to do.

        `pointer` is the revision applied last.
        """
        imported, self.imported = self.imported, None
        if imported is not None:
            run = self._run
            record_all(run.connection, run.ledger, self.layout, imported.rows)
            set_pointer(run.connection, run.ledger, pointer)

    def add_stamped(self, wanted: Collection[Entry], state: State) -> None:
        """Record those of `wanted` that have no row in `state`, which is as it is now."""
        recorded = {row.version for row in state.rows}
        taken = {row.name for row in state.rows}
        for entry in wanted:
            if entry.stem in recorded:
                continue
            self.add_replaced(entry)
            if (key := self.state.key(entry.stem)) not in taken:
                row = row_of(entry.file) if entry.file else Row(version=entry.stem)
                self.add(row, after=[self.state.key(name) for name in entry.replaces])
                taken.add(key)

    def forget(self, stems: Collection[str]) -> None:
        """Take the rows of these migrations out."""
        if stems:
            keys = {self.state.key(stem) for stem in stems}
            record_unapplied(self._run.connection, self._run.ledger, self.layout, keys)


def _is_about(error: IntegrityError, layout: Layout) -> bool:
    """Return whether it is the name of the migration that is there twice, and no other column."""
    detail = str(getattr(getattr(error.orig, "diag", None), "message_detail", None) or "")
    columns = re.search(r"\(([^()]*)\)=\(", detail)
    return columns is None or {*columns[1].split(", ")} == {*map(quote, layout.key_columns)}
