"""List the tables that a rehearsed file has locked, and for how long."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import TRANSACTION_STATUS_INTRANS, cursor
from sqlalchemy import Connection, text

if TYPE_CHECKING:
    from collections.abc import Callable

#: From weak to strong, as PostgreSQL's documentation lists them.
_STRENGTH = (
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)

_TABLES = text("""
    SELECT oid, oid::regclass::text
      FROM pg_class
     WHERE relkind IN ('r', 'p', 'm', 'v', 'f')
       AND relnamespace NOT IN (SELECT oid FROM pg_namespace
                                 WHERE nspname ~ '^pg_' OR nspname = 'information_schema')
""")
# A file may have changed the search_path.
_HELD = """
    SELECT relation::pg_catalog.int8, mode
      FROM pg_catalog.pg_locks
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted
       AND database = (SELECT oid FROM pg_catalog.pg_database
                        WHERE datname = pg_catalog.current_database())
"""


#: Seconds between two looks at the locks: a file may send a hundred thousand small statements.
_LOOK_EVERY = 0.01


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest lock that a file took on a table."""

    table: str
    #: In PostgreSQL's words: `ACCESS EXCLUSIVE`.
    mode: str
    #: The stem of the file that took it.
    file: str
    #: For how long a run would hold it: from before the statement that took it to the commit
    #: after that one, in seconds.
    seconds: float

    def __str__(self) -> str:
        return f"{self.table} ({self.mode})"


@dataclass(slots=True)
class _Time:
    """When a lock was taken, and when a commit would have let go of it."""

    file: str
    taken: float
    ended: float | None = None


class Locks:
    """The locks of one transaction, file by file.

    Tables that the transaction has created itself do not count: nobody else can see them. All
    times are of the monotonic clock, in seconds.
    """

    def __init__(self, connection: Connection) -> None:
        """Note the locks that there are before the first file."""
        self._tables = {int(oid): str(name) for oid, name in connection.execute(_TABLES)}
        self._dbapi: Any = connection.connection.dbapi_connection
        self._seen = self._held()
        self._times: dict[tuple[int, str], _Time] = {}
        self._file = ""
        self._looked = time.monotonic()

    def begin(self, file: str) -> None:
        """Begin a file, by its stem."""
        self._file = file
        self._looked = time.monotonic()

    def look(self) -> None:
        """See what has been taken since this was asked last; called before each statement."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._look(now)

    def commit(self) -> None:
        """Note that a run would commit here, and let go of all locks."""
        now = time.monotonic()
        self._look(now)
        for each in self._times.values():
            if each.ended is None:
                each.ended = now

    def end(self) -> tuple[tuple[Lock, ...], tuple[Lock, ...]]:
        """End the file: return what it has taken, and what files before it hold beside that.

        Of the latter nobody can see whether this file would take it as well.
        """
        self.commit()
        taken = self._strongest(lambda each: each.file == self._file)
        own = {lock.table for lock in taken}
        earlier = self._strongest(lambda each: each.file != self._file)
        return taken, tuple(lock for lock in earlier if lock.table not in own)

    def _look(self, now: float) -> None:
        # Of a transaction that has failed nobody can ask.
        if self._dbapi.info.transaction_status == TRANSACTION_STATUS_INTRANS:
            held = self._held()
            for lock in held - self._seen:
                # The statement that took it had not begun before the last look.
                self._times[lock] = _Time(self._file, self._looked)
            self._seen = held
        self._looked = now

    def _held(self) -> set[tuple[int, str]]:
        # Past the guard of the migration, whose statement this is not.
        with cursor(self._dbapi) as own:
            own.execute(_HELD)
            return {(int(oid), str(mode)) for oid, mode in own.fetchall()}

    def _strongest(self, wanted: Callable[[_Time], bool]) -> tuple[Lock, ...]:
        shown = [
            (oid, mode, each)
            for (oid, mode), each in self._times.items()
            if wanted(each) and oid in self._tables and mode in _STRENGTH
        ]
        # The strongest comes last, and stays.
        shown.sort(key=lambda lock: _STRENGTH.index(lock[1]))
        strongest = {oid: (mode, each) for oid, mode, each in shown}
        locks = (
            Lock(self._tables[oid], _in_words(mode), each.file, (each.ended or 0.0) - each.taken)
            for oid, (mode, each) in strongest.items()
        )
        return tuple(sorted(locks, key=lambda lock: lock.table))


def _in_words(mode: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()
