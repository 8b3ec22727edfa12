"""The transactions of one migration on its connection, and its deferred commit.

Files written for the home-made runner had an ordinary Session, whose ``commit()`` was real. Here
the last commit of a file has to be made together with the record that the file was applied.
So a commit is *owed*: the driver's ``commit()`` checks what a commit would check, and the COMMIT is
sent before whatever the file does next, or a moment later if nothing comes. What is still owed when
the file returns is committed together with the record.

To everybody above the driver the commit has happened. `bridge.database.driver` asks this module
before anything that could show otherwise.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from psycopg2 import Error as DriverError
from psycopg2.extensions import ISOLATION_LEVEL_SERIALIZABLE, STATUS_BEGIN

from bridge.database.connection_state import is_idle, is_in_failed_transaction, is_in_transaction
from bridge.database.driver_errors import first_line
from bridge.errors import MigrationError
from bridge.execution.advice import lost, no_change_inside
from bridge.execution.beginnings import Beginnings
from bridge.execution.hints import Hints
from bridge.execution.link import Link
from bridge.execution.loading import lines_on_stack
from bridge.execution.savepoint import ALL, Savepoint
from bridge.execution.sent import Sent
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.alembic.unrecord import Forgetting

__all__ = ["Commit", "Mode", "Transactions"]

#: How long a commit is owed at most, in seconds. A file that pauses between its commits, or
#: starts another program, holds no locks meanwhile; one that just returns is long done.
LONGEST_OWED = 0.25
#: Seconds from one look to the next at whether a commit has been owed for that long.
PAY_EVERY = 0.1

# What a COMMIT would check, without the COMMIT; and whether it may fail for a reason that cannot
# be checked, so that it must be sent at once: a serializable transaction, a WITH HOLD cursor, whose
# query the COMMIT runs.
_CHECK = """
SET CONSTRAINTS ALL IMMEDIATE;
SELECT pg_catalog.current_setting('transaction_isolation') = 'serializable'
    OR EXISTS (SELECT FROM pg_catalog.pg_cursors
                WHERE is_holdable AND creation_time >= transaction_timestamp())
"""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that a file asked for."""

    #: The line of the file that asked, if it was this file.
    line: int | None
    #: The statement that was sent last before it; itself where it was `alone`.
    after: str | None = None
    #: Whether it is that of one statement outside of transactions.
    alone: bool = False


class Transactions(Link):
    """The transactions of one migration on its connection, and what became of them so far."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        mode: Mode,
        *,
        external: bool = False,
        forgetting: Forgetting | None = None,
        hints: Hints | None = None,
        tell: Callable[[str, object], None] = lambda _statement, _parameters: None,
    ) -> None:
        super().__init__(connection)
        #: How the driver begins its transactions.
        self.beginnings = Beginnings(self.real)
        self.path = path
        self.mode = mode
        #: What the file has sent.
        self.sent = Sent(connection, hints or Hints(), tell)
        #: Whether the transaction is the caller's.
        self.external = external
        #: The commits that have been sent, and so stay whatever happens next.
        self.committed: list[Commit] = []
        #: The commit whose answer was lost: nobody knows whether it is one of them.
        self.unknown: Commit | None = None
        #: The error of the check before a COMMIT, if one failed.
        self.check_failed: BaseException | None = None
        #: Whether the file has prepared a transaction, or committed one in two phases.
        self.prepared = False
        #: What is to be said of indexes that the file left INVALID when it failed.
        self.invalid: str | None = None
        #: Why something that the file believes to be committed is not; None as long as all is.
        self.lost: str | None = None
        #: The error of a COMMIT, or of what has to be a part of it, if that is why.
        self.lost_by: BaseException | None = None
        #: Of a downgrade: what sees to it that the record goes no later than the work.
        self.forgetting = forgetting
        #: Counts the transactions that have ended, so that a savepoint knows whether it is gone.
        self.transactions = 0
        #: Whether the commit that ends the file belongs to its record.
        self.held = False
        #: Whether the file has come to its end, and only the runner's own commit follows.
        self.ended = False
        self._all: Savepoint | None = None
        if mode is Mode.ATOMIC:
            self._all = Savepoint(
                self.run,
                lambda: self.transactions,
                ALL,
                tell=lambda text: self.sent.tell(text, None),
            )
        self._owed: Commit | None = None
        self._due: float | None = None  # a reading of the monotonic clock
        self._quiet = False
        self._two_phase = False
        self._paying = threading.RLock()

    def hold_commit(self) -> None:
        """Let the commit that ends the file wait for its record from now on."""
        self._due = None
        self.held = True

    def keep_commit(self) -> None:
        """Drop the deferred commit: somebody else commits or rolls back."""
        with self._paying:
            self._due = self._owed = None

    def tend(self) -> None:
        """Look after the connection; to be called by another thread every PAY_EVERY seconds.

        A commit that has been owed for long enough is sent; one that fails is noted in `lost`.
        """
        if self._due is None or time.monotonic() < self._due:
            return
        with self._paying, suppress(MigrationError):
            if self._due is not None:
                self.pay()

    def line(self) -> int | None:
        """Return the line that the file runs now, from this thread's stack."""
        return next(lines_on_stack(self.path), None)

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Send bridge's own statements inside: they are not shown, nor taken for the file's."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def refuse_lost(self) -> None:
        """Raise MigrationError if something that the file commits, or has, is lost."""
        if not self.real.closed and is_in_failed_transaction(self.real):
            self.lost = lost(self.sent.aborted_by)
        if self.lost:
            raise MigrationError(self.lost) from self.lost_by or self.sent.aborted_by

    def pay(self) -> None:
        """Send the commit that is owed, if one is; raises MigrationError if it fails."""
        # Most calls come when none is. It is owed until it is sent, by whichever thread.
        if self._owed is None or self._quiet:
            return
        with self._paying:
            try:
                self._pay(self._owed)
            finally:
                self._due = self._owed = None
                self.beginnings.serve()

    def _pay(self, owed: Commit | None) -> None:
        if owed is None:  # paid by another thread meanwhile
            return
        try:
            self._send_commit(owed)
        except Exception as error:  # noqa: BLE001 - raised by what it calls
            how = "failed" if self.unknown is None else "got no answer"
            self._lose(f"The commit asked for at line {owed.line} {how}", error)

    def change(self, what: str) -> None:
        """Prepare for a change of how the connection makes its transactions."""
        if self._quiet:
            return
        if what == "close":
            self.see_close()
            return
        if self._all is not None:
            raise MigrationError(no_change_inside(what, external=self.external))
        self._two_phase = what in {"tpc_begin", "tpc_prepare"}
        self.prepared |= what in {"tpc_prepare", "tpc_commit"}
        self.sent.hints.isolates = True

    def isolate(self, level: Any) -> None:
        """Make later transactions at this level; not before an owed commit is sent.

        SQLAlchemy puts a level back with the end of each transaction for which it was set. That
        must not part the last one from the record.
        """
        if self._all is not None and not self._quiet:
            raise MigrationError(no_change_inside("isolation_level", external=self.external))
        self.sent.hints.isolates |= level in {ISOLATION_LEVEL_SERIALIZABLE, "SERIALIZABLE"}
        with self._paying:
            self.beginnings.ask(level)
            if self._owed is None:
                self.beginnings.serve()

    def commit(self) -> None:
        """Check what a COMMIT checks, and owe the COMMIT; raises what the COMMIT would raise."""
        with self._paying:
            self.pay()
            if is_in_failed_transaction(self.real):
                self.lost = lost(self.sent.aborted_by)
                self.rollback()
                raise MigrationError(self.lost) from self.sent.aborted_by
            if self._all is not None:
                self._release(self._all)
            elif not self._can_be_owed():
                self.real.commit()  # after a COMMIT as text the driver must be told
            elif self._must_be_sent():
                self._send_commit(Commit(self.line(), self.sent.last))
            else:
                self._owed = Commit(self.line(), self.sent.last)
                self._due = time.monotonic() + LONGEST_OWED - PAY_EVERY

    def rollback(self) -> None:
        """Roll back, which does not take back a commit that is owed."""
        with suppress(MigrationError):  # noted in `lost`; the rollback has to go on
            self.pay()
        self.sent.aborted_by = None
        if self._all is not None:
            self._all.back()
            self._set_blindly(self._all)
            return
        self._count_end()
        self.real.rollback()

    def _can_be_owed(self) -> bool:
        # The driver believes in a transaction, and so does the server, and it is an ordinary one.
        begun = self.real.status == STATUS_BEGIN
        return begun and is_in_transaction(self.real) and not self._two_phase

    def _must_be_sent(self) -> bool:
        """Check what the COMMIT would check; return whether it can fail for another reason."""
        if not self.sent.hints.may_fail:
            return False
        try:
            (at_once,) = self.run(_CHECK)
        except DriverError as error:
            self._see_check(error)
            # A failed COMMIT has ended its transaction.
            with suppress(DriverError):
                self.real.rollback()
            self._count_end()
            raise
        # Nothing of the file comes after its end that could cope with a failure.
        return (bool(at_once) or self.sent.hints.blind) and not self.ended

    def _release(self, savepoint: Savepoint) -> None:
        try:
            savepoint.release(check=self.sent.hints.may_fail)
        except DriverError as error:
            self._see_check(error)
            with suppress(DriverError):
                savepoint.back()
            raise
        finally:
            self._set_blindly(savepoint)

    def _set_blindly(self, savepoint: Savepoint) -> None:
        """Set it before statements that nobody sees, if there may be any."""
        if self.sent.hints.blind:
            with suppress(DriverError):
                savepoint.set()

    def _send_commit(self, commit: Commit) -> None:
        if self.forgetting is not None:
            self.forgetting.join()
        try:
            self.real.commit()
        except BaseException as error:
            self._see(error, commit)
            raise
        finally:
            self._count_end()
        self._note_commit(commit)

    def _note_commit(self, commit: Commit) -> None:
        if self.forgetting is not None:
            self.forgetting.committed()
        self.committed.append(commit)

    def _see(self, error: BaseException, commit: Commit | None) -> None:
        """Note what an error says of the connection, and of a commit that was under way."""
        self.see_end(error)
        if commit is None:
            return
        if self.broken:
            self.unknown = commit
            return
        # A signal comes after it; of one statement Python's own errors come before it.
        is_signal = not isinstance(error, Exception if commit.alone else DriverError)
        if is_signal and not self.gone and is_idle(self.real):
            self._note_commit(commit)

    def _see_check(self, error: DriverError) -> None:
        self._see(error, None)
        if not self.broken:
            self.check_failed = error

    def _lose(self, what: str, error: Exception) -> NoReturn:
        """Note that nothing of the open transaction stays, as after a failed COMMIT."""
        with suppress(Exception):  # of a connection that is gone
            self.real.rollback()
        self.lost, self.lost_by = f"{what}: {first_line(error)}", error
        raise MigrationError(self.lost) from error

    def _count_end(self) -> None:
        self.transactions += 1
