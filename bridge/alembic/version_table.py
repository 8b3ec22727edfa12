"""The version table: Alembic's, with room for longer ids, and its one pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, String, Table

from bridge.database.quoting import constant
from bridge.database.sending import send
from bridge.ledger import sql
from bridge.ledger.layout import VERSION_LENGTH
from bridge.ledger.messages.records import not_moved
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep, StampStep


def widened_version_table(ctx: MigrationContext) -> Table:
    """Return the table that this context creates, after making its column wide enough."""
    table = ctx._version  # noqa: SLF001
    table.c.version_num.type = String(VERSION_LENGTH)
    return table


#: Stands for more than one row of the version table; no revision is called so.
_SEVERAL = ""


class Pointer:
    """The row of the version table, for as long as a command writes; nobody else moves it."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        revision: str | None,
        *,
        confirmed: bool = True,
    ) -> None:
        """`revision` is what it names; a script cannot know what it has met: not `confirmed`."""
        self._connection = connection
        self._ledger = ledger
        self._confirmed = confirmed
        #: What it names now. Whoever moves it together with a record says so here.
        self.now = revision

    def found_at(self, heads: tuple[str, ...]) -> None:
        """Begin where the table says, which a stamp may not believe: at none, one or several."""
        self.now = heads[0] if len(heads) == 1 else _SEVERAL if heads else None

    def follow(self, step: RevisionStep | StampStep) -> None:
        """Make it name where this step has led to, unless it does already.

        Raises LedgerError if there was not exactly one row that named where the step began.
        """
        new = next(iter(step.to_revisions), None)
        if new == self.now:
            return
        *others, old = step.from_revisions or (None,)
        for other in others:
            self._move(other, None)
        self._move(old, new)
        self.now = new

    def _move(self, old: str | None, new: str | None) -> None:
        if old is not None:
            to = None if new is None else constant(new)
            result = send(self._connection, sql.move_pointer(self._ledger, constant(old), to))
            if self._confirmed and result.rowcount != 1:
                raise not_moved(self._ledger.version_name, result.rowcount)
        elif new is not None:
            send(self._connection, sql.insert_pointer(self._ledger, new))
