"""Delete the record of a reverted migration, no later than any of its work is undone.

An upgrade is recorded after its work. A downgrade is forgotten with the first of its work that is
final, or before it: the row is deleted and the pointer moved in the transaction whose COMMIT is
the first to be sent, and outside of transactions in one of their own, before the first statement.
A run that is killed in between so leaves a migration that is not recorded, which the next upgrade
runs again, and never a record whose work is gone.

What is sent here may be sent again: where nobody can tell whether a transaction was committed (a
text of the file's holds the COMMIT, or it was rolled back afterwards), it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as plain_cursor

from bridge.database.driver import plain
from bridge.database.quoting import constant
from bridge.ledger import sql
from bridge.ledger.messages import records as record_messages

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.execution.session_state import Baseline
    from bridge.ledger.layout import Layout
    from bridge.ledger.tables import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What is to be gone from both tables, as SQL; names and values are in it."""

    ledger: Ledger
    layout: Layout
    #: What the ledger calls the migration.
    key: str
    #: Where the pointer is, and where it is to be; None before the first migration.
    old: str
    new: str | None

    @property
    def statements(self) -> tuple[str, str]:
        """What deletes the row, and what moves the pointer."""
        new = None if self.new is None else constant(self.new)
        return (
            sql.delete_rows(self.ledger, self.layout, [self.key]),
            sql.move_pointer(self.ledger, constant(self.old), new),
        )

    @property
    def left(self) -> str:
        """Asks how often the row is there, and what the version table says."""
        return sql.count_row(self.ledger, self.layout, self.key)


class Forgetting:
    """Forgets one migration, in time; for each attempt to take it back."""

    def __init__(
        self, connection: Connection, erasure: Erasure, baseline: Callable[[], Baseline]
    ) -> None:
        self._connection = connection
        self._erasure = erasure
        self._baseline = baseline
        self._sent = False
        self._in_transaction = False
        #: Whether it is committed, for certain.
        self.done = False
        #: Whether it could not be written: it was not the file that failed.
        self.failed = False

    @property
    def recorded(self) -> bool | None:
        """Whether the migration is still recorded as applied; None where nobody can tell."""
        if self.done:
            return False
        return None if self._sent else True

    def join(self, *, in_text: bool = False) -> None:
        """Forget in the open transaction, whose COMMIT comes next.

        Raises, if that fails, what the transaction has to be rolled back for. Without effect in a
        transaction that has changed nothing, unless its changes are still to come: `in_text`, in
        the text that holds the COMMIT.
        """
        self._in_transaction, before = False, self._sent
        if self.done:
            return
        try:
            with self._explaining(), self._cursor() as cursor:
                now = self._ask(cursor)
                if now.cannot_write or not (now.has_written or in_text):
                    return
                self._write_as_at_start(cursor, now.steering)
        except Exception:
            self._sent = before  # its COMMIT is not sent
            raise
        self._in_transaction = True

    def committed(self) -> None:
        """The COMMIT that `join` was called for is done."""
        self.done = self.done or self._in_transaction

    def precede(self) -> None:
        """Forget in a transaction of its own, on a connection that is in none."""
        if self.done:
            return
        with self._explaining(), self._cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            try:
                self._write_as_at_start(cursor, self._ask(cursor).steering)
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(Exception):  # of a connection that is gone
                    cursor.execute("ROLLBACK")
                raise
        self.done = True

    def finish(self) -> None:
        """Forget together with the last of the work, if that has not been done before."""
        if not self.done:
            with self._cursor() as cursor:
                self._write(cursor)

    def look(self) -> None:
        """See what is left of it after a rollback; the session is as it was at the start."""
        if self.done or not self._sent:
            return
        with self._cursor() as cursor:
            cursor.execute(self._erasure.left)
            self._sent = self.done = not cursor.fetchone()[0]

    def _write_as_at_start(self, cursor: Any, now: _Steering) -> None:
        """Write, although the file may have changed what names mean, and who asks."""
        before = self._steering()
        if now == before:
            self._write(cursor)
            return
        cursor.execute(before.instead_of(now))
        self._write(cursor)
        # For what comes before the COMMIT. After it, all is as the file has left it.
        cursor.execute(now.instead_of(before))

    def _write(self, cursor: Any) -> None:
        erasure = self._erasure
        self._sent = True
        cursor.execute("; ".join([*erasure.statements, erasure.left]))
        count, pointers = cursor.fetchone()
        if count:
            raise record_messages.not_forgotten(erasure.ledger.name, [erasure.key])
        if pointers != ([] if erasure.new is None else [erasure.new]):
            name, wanted = erasure.ledger.version_name, erasure.new or "no revision"
            raise record_messages.not_kept(name, wanted, pointers)

    def _ask(self, cursor: Any) -> _Now:
        cursor.execute(_ASK)
        read_only, has_written, user, *steering = cursor.fetchone()
        cannot_write = read_only and not has_written
        return _Now(cannot_write, has_written, _Steering(constant(user), *steering))

    def _steering(self) -> _Steering:
        baseline = self._baseline()
        values = [baseline.foremost[name] for name in ("role", "search_path", "row_security")]
        return _Steering(baseline.user, *values)

    def _cursor(self) -> Any:
        # Below SQLAlchemy, whose events are for the file's statements. It may be another thread
        # that sends a commit which has been owed for long.
        dbapi: Any = self._connection.connection.dbapi_connection
        return plain(dbapi).cursor(cursor_factory=plain_cursor)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """An error in this block is one of the record, and not of the file."""
        try:
            yield
        except Exception:
            self.failed = True
            raise


@dataclass(frozen=True, slots=True)
class _Steering:
    """What decides which tables names mean, and who asks for them."""

    #: Quoted.
    user: str
    role: str
    search_path: str
    row_security: str

    def instead_of(self, now: _Steering) -> str:
        """What puts this in place of that up to the end of the transaction."""
        statements = []
        if self.user != now.user:
            statements.append(f"SET LOCAL SESSION AUTHORIZATION {self.user}")
        if (self.user, self.role) != (now.user, now.role):
            role = "NONE" if self.role == "none" else constant(self.role)
            statements.append(f"SET LOCAL ROLE {role}")
        for name in ("search_path", "row_security"):
            value = constant(getattr(self, name))
            statements.append(f"SELECT pg_catalog.set_config('{name}', {value}, true)")
        return "; ".join(statements)


@dataclass(frozen=True, slots=True)
class _Now:
    """The open transaction."""

    cannot_write: bool
    has_written: bool
    steering: _Steering


_ASK = """
SELECT pg_catalog.current_setting('transaction_read_only') = 'on',
       pg_catalog.txid_current_if_assigned() IS NOT NULL, session_user::text,
       pg_catalog.current_setting('role'), pg_catalog.current_setting('search_path'),
       pg_catalog.current_setting('row_security')
"""
