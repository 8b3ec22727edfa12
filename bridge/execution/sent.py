"""The statements that a migration has sent, and what they tell about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.database.sqlstate import sqlstate
from bridge.execution.hints import Hints
from bridge.execution.self_deadlock import OwnLocks
from bridge.execution.statement import Statement, reference

if TYPE_CHECKING:
    from psycopg2 import Error as DriverError
    from sqlalchemy import Connection

#: Errors after which work is missing although nothing is wrong with it: lock timeout, deadlock,
#: cancelled statement. A file may swallow one, but must not be recorded as applied after it.
NOT_DONE = frozenset({"55P03", "40P01", "57014"})


class Sent:
    """What one migration has sent on its connection so far."""

    def __init__(
        self,
        connection: Connection,
        hints: Hints,
        tell: Callable[[str, object], None] = lambda _statement, _parameters: None,
    ) -> None:
        """`tell` is called with each statement and its parameters, before it is sent."""
        #: What their words tell.
        self.hints = hints
        #: The last one that has a text, and the last one of all.
        self.last: str | None = None
        self.now: Statement | None = None
        #: How many of them have a text.
        self.count = 0
        #: Errors of the kind NOT_DONE that the file swallowed, by statement and parameters.
        self.swallowed: dict[tuple[str, str], BaseException] = {}
        #: The last one that failed, with its parameters and its error, unless it may have been
        #: composed of values.
        self.last_failed: tuple[str, object, BaseException] | None = None
        #: The error after which PostgreSQL refused everything until a rollback.
        self.aborted_by: BaseException | None = None
        #: Finds a statement that waits for a lock of this very process.
        self.own_locks = OwnLocks(connection)
        self.tell = tell
        self._sent_on = reference(connection.connection.dbapi_connection)

    def begins(self, statement: str | None, parameters: object, pid: int | None) -> None:
        """Note a statement that is about to be sent to this backend; some have no text."""
        if statement is not None:
            self.hints.note(statement)
            self.last = statement
            self.count += 1
            self.tell(statement, parameters)
        self.now = Statement(statement or "", pid, self._sent_on)
        self.own_locks.begins(self.now)

    def succeeded(self, statement: str | None, parameters: object) -> None:
        """Note that a statement succeeded, and forget that an earlier try of it failed."""
        if self.swallowed and statement is not None:
            self.swallowed.pop((statement, repr(parameters)), None)

    def failed(self, statement: str | None, parameters: object, error: DriverError) -> None:
        """Note that a statement failed; the file may still cope with that."""
        state = sqlstate(error)
        if state in NOT_DONE and statement is not None:
            self.swallowed[statement, repr(parameters)] = error
        if self.aborted_by is None or state != "25P02":
            self.aborted_by = error
