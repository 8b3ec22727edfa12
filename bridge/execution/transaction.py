"""The transactions of one migration on its connection, and its deferred commit.

Files written for the home-made runner had an ordinary Session, whose ``commit()`` was real. Here
the last commit of a file has to be made together with the record that the file was applied.
So a commit is *owed*: ``db.commit()`` checks what a commit would check, and the COMMIT is sent
before the next statement of the file, or of any other SQLAlchemy connection of this process, or
a moment later if nothing comes. What is still owed when the file returns is committed together
with the record.

To SQLAlchemy the commit has happened: only the driver has not sent it yet. That is why one
listener on statements is enough to pay it, whichever way a statement comes: the Session, the
Connection below it, or ``alembic.op``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from psycopg2.extensions import STATUS_READY

from bridge.database.connection_state import is_idle, is_in_failed_transaction
from bridge.database.driver_errors import first_line
from bridge.database.sql_text import ends_transaction, rolls_back
from bridge.database.sqlstate import sqlstate
from bridge.errors import MigrationError
from bridge.execution.advice import NO_COMMIT_EXTERNALLY, NO_COMMIT_INSIDE, lost
from bridge.execution.hints import Hints
from bridge.execution.loading import lines_on_stack
from bridge.execution.self_deadlock import OwnLocks
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.engine import ExceptionContext

    from bridge.alembic.unrecord import Forgetting
    from bridge.locking.pooled_liveness import PooledClaim

__all__ = ["CHECK_COMMIT", "NOT_DONE", "Commit", "Mode", "Work"]

#: Errors after which work is missing although nothing is wrong with it: lock timeout, deadlock,
#: cancelled statement. A file may swallow one, but must not be recorded as applied after it.
NOT_DONE = frozenset({"55P03", "40P01", "57014"})

#: How long a commit is owed at most, in seconds. A file that pauses between its commits, or
#: starts another program, holds no locks meanwhile; one that just returns is long done.
LONGEST_OWED = 0.25
#: Seconds from one look to the next at whether a commit has been owed for that long.
PAY_EVERY = 0.1

#: What asks for the checks of a COMMIT without the COMMIT.
CHECK_COMMIT = "SET CONSTRAINTS ALL IMMEDIATE"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that a file asked for."""

    #: The line of the file that asked, if it was this file.
    line: int | None


class Work:
    """The transactions of one migration, and what it did to its connection so far."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        mode: Mode,
        *,
        external: bool = False,
        isolation_level: str = "READ COMMITTED",
        pooled: PooledClaim | None = None,
        forgetting: Forgetting | None = None,
        may_defer: bool = True,
        on_statement: Callable[[str, object], None] = lambda _statement, _parameters: None,
        keep_claim: Callable[[], None] = lambda: None,
    ) -> None:
        self.connection = connection
        self.dbapi: Any = connection.connection.dbapi_connection
        self.path = path
        self.mode = mode
        #: Whether the transaction is the caller's.
        self.external = external
        #: The one to go back to after a transaction for which the file asked for another.
        self.isolation_level = isolation_level
        #: The commits that have been sent, and so stay whatever happens next.
        self.committed: list[Commit] = []
        #: Whether the file ended a transaction behind SQLAlchemy's back, nobody knows how.
        self.unseen_end = False
        #: What the words of its statements tell.
        self.hints = Hints(may_defer=may_defer)
        #: Errors of the kind NOT_DONE that the file swallowed, by statement and parameters.
        self.swallowed: dict[tuple[str, str], BaseException] = {}
        #: The error after which PostgreSQL refused everything until a rollback.
        self.aborted_by: BaseException | None = None
        #: What is to be said of indexes that the file left INVALID when it failed.
        self.invalid: str | None = None
        #: Why something that the file believes to be committed is not; None as long as all is.
        self.lost: str | None = None
        #: The error of a COMMIT, or of what has to be a part of it, if that is why.
        self.lost_by: BaseException | None = None
        #: Of a downgrade: what sees to it that the record goes no later than the work.
        self.forgetting = forgetting
        #: Finds a statement that waits for a lock of this very process.
        self.own_locks = OwnLocks(connection)
        self._on_statement = on_statement
        self._keep_claim = keep_claim
        self._pooled = pooled
        self._owed: Commit | None = None
        self._due: float | None = None  # a reading of the monotonic clock
        self._quiet = self._covering = False
        self._open = False  # in a transaction, when last seen
        self._loose = False  # each statement is a transaction of its own, when last seen
        self._committing = False
        # Threads that were here before may belong to an application around this migration,
        # and their statements have nothing to do with it.
        self._outsiders = {thread.ident for thread in threading.enumerate()}
        self._outsiders.discard(threading.get_ident())
        self._paying = threading.RLock()

    @property
    def owes_commit(self) -> bool:
        """Whether the file has asked for a commit that has not been sent."""
        return self._owed is not None

    def owe_commit(self) -> None:
        """Promise the commit that the file has just asked for."""
        if self.dbapi.autocommit:
            return
        with self._paying:
            self._owed = Commit(self.line())
            self._due = time.monotonic() + LONGEST_OWED - PAY_EVERY

    def hold_commit(self) -> None:
        """Let the deferred commit wait for as long as it likes from now on."""
        self._due = None

    def keep_commit(self) -> None:
        """Drop the deferred commit: somebody else commits or rolls back."""
        if self._owed is not None:
            with self._paying:
                self._due = self._owed = None

    def pay_commit(self) -> None:
        """Send the commit that is owed, if one is; raises MigrationError if it fails."""
        # Most statements come when none is. It is owed until it is sent, by whichever thread.
        if self._owed is None:
            return
        with self._paying:
            try:
                self._pay(self._owed)
            finally:
                self._due = self._owed = None

    def _pay(self, owed: Commit | None) -> None:
        if owed is None:  # paid by another thread meanwhile
            return
        self._open = False
        if self.in_failed_transaction():
            # Something behind SQLAlchemy's back: the server would roll back, and say nothing.
            self.lost = lost(self.aborted_by)
            return
        try:
            if self.forgetting is not None:
                self.forgetting.join()
            self.dbapi.commit()
        except Exception as error:  # noqa: BLE001 - raised by what it calls
            self._lose(f"The commit asked for at line {owed.line} failed", error)
        if self.forgetting is not None:
            self.forgetting.committed()
        self.committed.append(owed)

    def _lose(self, what: str, error: Exception) -> NoReturn:
        """Note that nothing of the open transaction stays, as after a failed COMMIT."""
        with suppress(Exception):  # of a connection that is gone
            self.dbapi.rollback()
        self.lost, self.lost_by = f"{what}: {first_line(error)}", error
        raise MigrationError(self.lost) from error

    def hand_out(self) -> None:
        """Note that the file has the Connection: no listener hears of a cursor of the driver's."""
        self.pay_commit()
        self.hints.go_blind()
        self.forget_outside()

    def forget_outside(self) -> None:
        """Delete the migration's record now, if the next statement would be final at once."""
        if (forgetting := self._to_forget) and self._each_is_final():
            self._forget(forgetting.precede)

    def pay_if_due(self) -> None:
        """Send a commit that has been owed for long enough; to be called every PAY_EVERY seconds.

        A commit that fails is noted in `lost`.
        """
        if self._due is None or time.monotonic() < self._due:
            return
        with self._paying, suppress(MigrationError):
            if self._due is not None:
                self.pay_commit()

    def check_commit(self) -> None:
        """Ask the server for what a COMMIT would check; raises what the COMMIT would raise."""
        if self.dbapi.autocommit:
            return
        self.refuse_lost()
        if self.hints.may_defer:
            with self.quietly():
                self.connection.exec_driver_sql(CHECK_COMMIT)

    def in_failed_transaction(self) -> bool:
        """Return whether PostgreSQL refuses every statement until a rollback (SQLSTATE 25P02)."""
        return is_in_failed_transaction(self.dbapi)

    def look(self) -> None:
        """Notice what the file did through the driver since the last statement."""
        idle = is_idle(self.dbapi)
        if self._open and idle and self._owed is None:
            self.unseen_end = True
        self._open = self._open and not idle

    def line(self) -> int | None:
        """Return the line that the file runs now, from this thread's stack."""
        return next(lines_on_stack(self.path), None)

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Send bridge's own statements inside: they are not shown, nor taken for the file's."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    # What the Watcher's listeners tell.

    def before_cursor(self, connection: Connection) -> None:
        """Prepare for a cursor of a statement, on this connection or another one."""
        if self._covering or self._owed is None:
            return
        ours = self._is_ours(connection)
        if not self._quiet if ours else threading.get_ident() not in self._outsiders:
            self.pay_commit()

    def before_statement(self, connection: Connection, statement: str, parameters: object) -> None:
        """Prepare for a statement, on this connection or another one."""
        if self._covering:
            return
        self.before_cursor(connection)
        ours = self._is_ours(connection)
        from_file = ours and not self._quiet
        if from_file:
            self.look()
            self._cover(statement)
        if threading.get_ident() not in self._outsiders:
            self.own_locks.begins(None if ours else connection, statement)
        if not from_file:
            return
        self._committing = False
        if self.mode is Mode.ATOMIC and ends_transaction(statement):
            raise MigrationError(self._no_commit_inside())
        self._forget_before(statement)
        self.hints.note(statement)
        self._on_statement(statement, parameters)

    def after_statement(self, connection: Connection, statement: str, parameters: object) -> None:
        """Note that a statement succeeded, and forget that an earlier try of it failed."""
        ours = self._is_ours(connection)
        self.own_locks.ends(None if ours else connection)
        if self._quiet or not ours:
            return
        if self.swallowed:
            self.swallowed.pop((statement, repr(parameters)), None)
        if self.hints.lets_go:
            self.hints.lets_go = False
            with self.quietly():
                self._keep_claim()
        self._open = not is_idle(self.dbapi)
        if self._open or self.mode is Mode.AUTOCOMMIT:
            self._loose = False
            return
        # A COMMIT as text has ended the transaction, or an earlier one has and the driver does
        # not know it, so that each statement is committed by itself.
        if not rolls_back(statement):
            commit = Commit(self.line())
            self.committed[-1 if self._loose else len(self.committed) :] = [commit]
            self._loose = True

    def on_error(self, context: ExceptionContext) -> None:
        """Note that a statement failed; the file may still cope with that."""
        if context.connection is None:
            return
        self.own_locks.ends(context.connection)
        if self._quiet or not self._is_ours(context.connection):
            return
        error = context.sqlalchemy_exception or context.original_exception
        state = sqlstate(context.original_exception)
        if context.statement is None:
            if self._committing:
                self.committed.pop()
                self._committing = False
        elif state in NOT_DONE:
            self.swallowed[context.statement, repr(context.parameters)] = error
        if self.aborted_by is None or state != "25P02":
            self.aborted_by = error

    def before_commit(self, connection: Connection) -> None:
        """Prepare for a real commit by a Connection, not a Session."""
        if not self._is_ours(connection) or self.dbapi.autocommit:
            return
        if self.mode is Mode.ATOMIC:
            raise MigrationError(self._no_commit_inside())
        self.refuse_lost()
        self.keep_commit()
        if (forgetting := self._to_forget) and not is_idle(self.dbapi):
            self._forget(forgetting.join)
        self._open = False
        self._committing = True
        self.committed.append(Commit(self.line()))

    def before_rollback(self, connection: Connection) -> None:
        """Prepare for a rollback, which does not take back a deferred commit."""
        if not self._is_ours(connection):
            return
        if self.mode is Mode.ATOMIC:
            raise MigrationError(self._no_commit_inside())
        self.look()
        with suppress(MigrationError):  # noted in `lost`; the rollback has to go on
            self.pay_commit()
        self.aborted_by = None
        self._open = self._loose = False

    def refuse_lost(self) -> None:
        """Raise MigrationError if something that the file commits, or has, is lost."""
        if self.in_failed_transaction():
            self.lost = lost(self.aborted_by)
        if self.lost:
            raise MigrationError(self.lost) from self.lost_by or self.aborted_by

    def _no_commit_inside(self) -> str:
        return NO_COMMIT_EXTERNALLY if self.external else NO_COMMIT_INSIDE

    @property
    def _to_forget(self) -> Forgetting | None:
        return self.forgetting if self.forgetting and not self.forgetting.done else None

    def _forget_before(self, statement: str) -> None:
        if not (forgetting := self._to_forget):
            return
        if self._each_is_final():
            self._forget(forgetting.precede)
        elif ends_transaction(statement) and not rolls_back(statement):
            self._forget(partial(forgetting.join, in_text=True))

    def _forget(self, forget: Callable[[], None]) -> None:
        try:
            forget()
        except Exception as error:  # noqa: BLE001 - raised by what it calls
            self._lose("It could not be recorded as not applied", error)

    def _each_is_final(self) -> bool:
        """Return whether a statement that is sent now is a transaction of its own."""
        if not is_idle(self.dbapi):
            return False
        # After a COMMIT as text the driver still believes in the transaction that it began, and
        # begins no other one.
        return bool(self.dbapi.autocommit or self.dbapi.status != STATUS_READY)

    def _cover(self, statement: str) -> None:
        if self._pooled is None:
            return
        self._covering = True
        try:
            with self.quietly():
                self._pooled.cover(statement)
        finally:
            self._covering = False

    def _is_ours(self, connection: Connection) -> bool:
        return connection is self.connection or (
            not (connection.closed or connection.invalidated)
            and connection.connection.dbapi_connection is self.dbapi
        )
