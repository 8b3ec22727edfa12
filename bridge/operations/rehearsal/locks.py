"""List the tables that a rehearsed file has locked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, text

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
_HELD = text("""
    SELECT relation, mode
      FROM pg_locks
     WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


@dataclass(frozen=True, slots=True)
class Lock:
    """The strongest lock that a file took on a table."""

    table: str
    #: In PostgreSQL's words: `ACCESS EXCLUSIVE`.
    mode: str

    def __str__(self) -> str:
        return f"{self.table} ({self.mode})"


class Locks:
    """The locks of one transaction, file by file.

    Tables that the transaction has created itself do not count: nobody else can see them.
    """

    def __init__(self, tables: dict[int, str], held: set[tuple[int, str]]) -> None:
        self._tables = tables
        self._held = held

    @classmethod
    def before(cls, connection: Connection) -> Self:
        """Note the locks that there are before the first file."""
        tables = {int(oid): str(name) for oid, name in connection.execute(_TABLES)}
        return cls(tables, _held(connection))

    def taken(self, connection: Connection) -> tuple[Lock, ...]:
        """Return what was taken since this was asked last."""
        now = _held(connection)
        new, self._held = now - self._held, now
        shown = [lock for lock in new if lock[0] in self._tables and lock[1] in _STRENGTH]
        # The strongest comes last, and stays.
        strongest = dict(sorted(shown, key=lambda lock: _STRENGTH.index(lock[1])))
        locks = (Lock(self._tables[oid], _in_words(mode)) for oid, mode in strongest.items())
        return tuple(sorted(locks, key=lambda lock: lock.table))


def _held(connection: Connection) -> set[tuple[int, str]]:
    return {(int(oid), str(mode)) for oid, mode in connection.execute(_HELD)}


def _in_words(mode: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()
