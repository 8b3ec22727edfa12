"""Find a migration that waits for a lock of its own process, and so for ever.

A file that opens an Engine of its own while uncommitted work of `db` holds a table stands still:
the thread that would commit is the one that waits. PostgreSQL sees only one of the two waiting.

Only connections that one thread uses in turn are looked at: of two threads one may go on.
"""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from bridge.database.connection_state import backend_pid
from bridge.execution.statement import Statement, reference
from bridge.waiting import OwnThread

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Seconds after which a statement is looked at, and from one look to the next.
SUSPICIOUS, EVERY = 1.0, 0.5

# Whoever waits in between may be a stranger's ALTER TABLE. It cancels in the same breath, so that
# it does not hit a later statement.
_CANCEL_IF_BLOCKED = """
WITH RECURSIVE chain(pid) AS (
    SELECT unnest(pg_blocking_pids(%(blocked)s))
    UNION SELECT unnest(pg_blocking_pids(pid)) FROM chain
)
SELECT pid, pg_cancel_backend(%(blocked)s) FROM chain WHERE pid = ANY(%(own)s) LIMIT 1
"""


class OwnLocks:
    """Watches the connections that a migration uses, from the second one on."""

    def __init__(self, connection: Connection) -> None:
        self._found: str | None = None
        self._pool = connection.engine.pool
        #: By the backends that the driver knows; None is the migration's own connection.
        self._last: dict[int | None, Statement] = {}
        self._looking = threading.Lock()
        self._closed: threading.Event | None = None  # most migrations use one connection only

    @property
    def others(self) -> bool:
        """Whether a second connection has been used."""
        return any(pid is not None for pid in self._last)

    @property
    def found(self) -> str | None:
        """What was found, as sentences; None as long as nothing was."""
        with self._looking:  # whoever is told of a cancelled statement may be here before us
            return self._found

    def begins(self, statement: Statement) -> None:
        """Note a statement that is about to be sent on the migration's own connection."""
        self._begins(None, statement)

    def begins_beside(self, text: str, dbapi: Any) -> None:
        """Note one that is about to be sent on another connection of the driver's."""
        pid = backend_pid(dbapi)
        if pid is not None:
            self._begins(pid, Statement(text, pid, reference(dbapi)))
        if self._closed is None:
            self._closed = threading.Event()
            OwnThread(self._watch, self._closed, name="bridge-locks").start()

    def _begins(self, which: int | None, statement: Statement) -> None:
        with self._looking:  # the next one begins only when it is known what became of the last
            self._last[which] = statement

    def close(self) -> None:
        """Stop watching."""
        if self._closed is not None:
            self._closed.set()

    def _watch(self, closed: threading.Event) -> None:
        while not closed.wait(EVERY):
            for statement in list(self._last.values()):
                if statement.runs() and statement.age() > SUSPICIOUS:
                    # A watch that cannot be kept is none; the migration goes on without it.
                    with suppress(Exception):
                        self._look(statement)

    def _look(self, blocked: Statement) -> None:
        own = {
            other.pid: other
            for other in list(self._last.values())
            if other is not blocked and other.thread == blocked.thread and not other.runs()
        }
        own.pop(None, None)  # outside of transactions a pooler tells no process
        if blocked.pid is None or not own:
            return
        # A pool of its own: the Engine's may have no connection left.
        pool = self._pool.recreate()
        try:
            with (
                closing(pool.connect()) as connection,
                closing(connection.cursor()) as cursor,
                self._looking,
            ):
                if blocked not in self._last.values() or not blocked.runs():
                    return
                cursor.execute(_CANCEL_IF_BLOCKED, {"blocked": blocked.pid, "own": [*own]})
                row: Any = cursor.fetchone()
                if row is not None:
                    self._found = _sentences(blocked.text, own[row[0]].text)
        finally:
            pool.dispose()


def _sentences(blocked: str, holder: str) -> str:
    return (
        "A statement waited for a lock that this very migration holds through another "
        "connection. It would have waited for ever, so it was cancelled.\n"
        f"  what waited: {_short(blocked)}\n"
        f"  the last statement of the connection that holds the lock: {_short(holder)}\n"
        "Send both through db, or commit before another connection is used."
    )


def _short(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= 200 else text[:200] + " ..."  # noqa: PLR2004 - a line or two
