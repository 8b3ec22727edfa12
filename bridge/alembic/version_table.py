"""Alembic's pointer, moved by a statement that SQLAlchemy reads once and not for every migration.

Alembic writes the two revisions into the text of its UPDATE, so that each is a new statement to
SQLAlchemy, and compiling it takes longer than sending it. Here the same UPDATE is sent with
parameters. That it has met one row is looked at, as
Alembic would. Where bridge sends it by itself,
together with the record (bridge.alembic.record) or with the deletion of one
(bridge.alembic.unrecord), bridge has seen to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Delete, Update, text

from bridge.ledger.messages import not_moved
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext


class Pointer:
    """The one row of the version table, for as long as a command writes."""

    def __init__(
        self, ctx: MigrationContext, connection: Connection, ledger: Ledger, revision: str | None
    ) -> None:
        self._ctx = ctx
        self._connection = connection
        self._ledger = ledger
        self._table = ctx._version  # noqa: SLF001 - the object that Alembic's statements name
        #: What it names now.
        self.now = revision
        self._next: str | None = None
        self._update = text(
            f"UPDATE {ledger.quoted_version_table} SET version_num = :new WHERE version_num = :old"  # noqa: S608
        )
        self._by_alembic = ctx.impl._exec  # noqa: SLF001 - what all of its statements go through
        ctx.impl._exec = self._execute  # type: ignore[method-assign]  # noqa: SLF001

    def moves_to(self, revision: str | None) -> None:
        """Alembic is about to move it here; None leaves the statement to Alembic."""
        self._next = revision

    def has_moved_to(self, revision: str | None) -> None:
        """It is moved here without Alembic, which is about to do that; None is before the first."""
        self.now = revision
        # For the UPDATE or DELETE that comes next. To put it together takes as long as to send it.
        self._ctx._version = _SENT  # type: ignore[assignment]  # noqa: SLF001

    def _execute(self, construct: Any, *arguments: Any, **options: Any) -> Any:
        if construct is _SENT:
            self._ctx._version = self._table  # noqa: SLF001
            return _SENT
        if getattr(construct, "table", None) is not self._table:
            return self._by_alembic(construct, *arguments, **options)
        old, new = self.now, self._next
        if new is not None:
            self.now, self._next = new, None
        if new is None or old is None or not isinstance(construct, Update):
            result = self._by_alembic(construct, *arguments, **options)
        else:
            result = self._connection.execute(self._update, {"new": new, "old": old})
        if self._ctx.as_sql or result is None or not isinstance(construct, Update | Delete):
            return result
        if result.rowcount != 1:  # Alembic would say so in words that do not tell why
            raise not_moved(self._ledger.version_name, result.rowcount)
        return result


class _Sent:
    """What bridge sends itself, to Alembic: the table, the statement and its result in one."""

    rowcount = 1

    @property
    def c(self) -> _Sent:
        return self

    version_num = c

    def update(self) -> _Sent:
        return self

    def delete(self) -> _Sent:
        return self

    def values(self, **_values: object) -> _Sent:
        return self

    def where(self, *_conditions: object) -> _Sent:
        return self

    def __eq__(self, _value: object) -> bool:
        return True

    __hash__ = object.__hash__


_SENT = _Sent()
