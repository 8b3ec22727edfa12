"""The connection of one migration: what it sends, and what comes of that.

While the migration runs this is the guard of its connection (`bridge.database.driver`). What a
commit means is told in `bridge.execution.transaction`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from psycopg2 import Error as DriverError
from psycopg2.extensions import STATUS_READY

from bridge.database.connection_state import is_idle, is_in_transaction
from bridge.database.sql_text import as_text, ends_transaction, pieces, rolls_back
from bridge.errors import MigrationError
from bridge.execution.advice import no_change_inside
from bridge.execution.discarding import (
    DISCARD_ALL,
    DISCARD_ALL_BUT_LOCKS,
    is_discard_all,
    reset,
)
from bridge.execution.transaction import Commit, Transactions
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.database.driver import Call
    from bridge.locking.pooler import PooledClaim

__all__ = ["Work"]


class Work(Transactions):
    """One execution of one file, as its connection sees it."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        mode: Mode,
        *,
        backend_pid: int,
        pooled: PooledClaim | None = None,
        keep_lock: Callable[[], None] = lambda: None,
        **transactions: Any,
    ) -> None:
        """`backend_pid` is as the server says; `transactions` is what Transactions takes."""
        super().__init__(connection, path, mode, **transactions)
        #: Whether something came to the connection beside the Session, which is to end it.
        self.by_others = False
        self._pid = backend_pid
        self._keep_lock = keep_lock
        self._pooled = pooled
        self._loose = False  # each statement is a transaction of its own, when last seen

    def settle(self) -> None:
        """Commit what came by way of ``alembic.op`` or the file's Engine, if anything did."""
        by_others, self.by_others = self.by_others, False
        if not by_others or self._owed is not None or self.real.closed:
            return
        if is_in_transaction(self.real):
            self.commit()

    def drop_others(self) -> None:
        """Roll back what came that way and nobody has committed."""
        if self.by_others:
            self.by_others = False
            self.drop()

    def drop(self) -> None:
        """Roll back what nobody has committed."""
        if self._owed is None and not self.real.closed and not is_idle(self.real):
            self.rollback()

    def allow_record(self) -> None:
        """Leave the read-only transactions that the file asked the driver for, if it did."""
        if self.beginnings.may_not_write:
            self.pay()
            self.real.rollback()
            self.beginnings.put_back()

    def reset(self) -> None:
        """Do what the driver's `reset` does, but keep the session's locks."""
        if self._quiet:
            self.real.reset()
            return
        self.pay()
        two_phase = self._two_phase
        self.change("reset")
        if two_phase:
            # What it has prepared the driver forgets only by its own, with the locks.
            self.real.reset()
            self._count_end()
        else:
            self.rollback()
            reset(self.real)
        self.sent.hints.note(DISCARD_ALL)
        self._keep_if_let_go()

    def word(self, statement: Any) -> Any:
        """Return what discards all but locks, in place of a DISCARD ALL that would be obeyed.

        Within a transaction the server refuses one.
        """
        text = as_text(statement)
        if text is None or not is_discard_all(text) or not self.each_is_final():
            return statement
        return DISCARD_ALL_BUT_LOCKS

    def blind(self) -> None:
        """Send commits at once from now on: a cursor is there whose statements nobody sees."""
        self.pay()
        self.sent.hints.blind = self.sent.hints.about_settings = True
        if self._all is not None:
            self._all.set()

    def name_cursor(self) -> None:
        """Prepare for a cursor of the server's, which may live on after the COMMIT."""
        self.pay()
        self.sent.hints.holds = True

    def rollback(self) -> None:
        """Roll back, which does not take back a commit that is owed."""
        self._loose = False
        super().rollback()

    def send(self, call: Call, statement: Any, parameters: Any) -> Any:
        """Send a statement of the file's; a `statement` of None has no text."""
        if self._quiet:
            return call()
        self.pay()
        text, last = as_text(statement), self.sent.last
        self._before(text, parameters)
        alone = not self.real.closed and self.each_is_final()
        try:
            result = call()
        except BaseException as error:
            self._see(error, self._commit_in(text, last, alone=alone))
            if isinstance(error, DriverError):
                self.sent.failed(text, parameters, error)
                if isinstance(statement, str):
                    self.sent.last_failed = statement, parameters, error
            raise
        self._after(text, parameters)
        return result

    def _commit_in(self, statement: str | None, last: str | None, *, alone: bool) -> Commit | None:
        """Return the commit that comes with this statement, if one does; `last` came before it."""
        if alone:
            return Commit(self.line(), statement, alone=True)
        if statement is None or not ends_transaction(statement) or rolls_back(statement):
            return None
        is_all = len([piece for piece in pieces(statement) if piece]) == 1
        return Commit(self.line(), last if is_all else statement)

    def _before(self, statement: str | None, parameters: object) -> None:
        if self._pooled is not None:
            with self.quietly():
                self._pooled.cover(statement or "")
        if statement is not None:
            if self._all is not None and ends_transaction(statement):
                raise MigrationError(no_change_inside("transaction", external=self.external))
            self._forget_before(statement)
        if self._all is not None:
            self._all.set()
        pid = self._pid if self._pooled is None else self._pooled.backend_pid
        self.sent.begins(statement, parameters, pid)

    def _after(self, statement: str | None, parameters: object) -> None:
        self.sent.succeeded(statement, parameters)
        self._keep_if_let_go()
        if not is_idle(self.real):
            self._loose = False
            return
        self._count_end()
        if self.mode is Mode.AUTOCOMMIT:
            return
        # A COMMIT as text has ended the transaction, or an earlier one has and the driver does
        # not know it, so that each statement is committed by itself; or it is in autocommit.
        if statement is not None and not rolls_back(statement):
            commit = Commit(self.line(), statement)
            self.committed[-1 if self._loose else len(self.committed) :] = [commit]
            self._loose = True

    def _keep_if_let_go(self) -> None:
        if self.sent.hints.lets_go:
            self.sent.hints.lets_go = False
            with self.quietly():
                self._keep_lock()

    def _forget_before(self, statement: str) -> None:
        if (forgetting := self.forgetting) is None or forgetting.done:
            return
        try:
            if self.each_is_final():
                forgetting.precede()
            elif ends_transaction(statement) and not rolls_back(statement):
                forgetting.join(in_text=True)
        except Exception as error:  # noqa: BLE001 - raised by what it calls
            self._lose("It could not be recorded as not applied", error)

    def each_is_final(self) -> bool:
        """Return whether a statement that is sent now is a transaction of its own."""
        if not is_idle(self.real):
            return False
        # After a COMMIT as text the driver still believes in the transaction that it began, and
        # begins no other one.
        return bool(self.real.autocommit or self.real.status != STATUS_READY)
