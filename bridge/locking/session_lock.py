"""The migration lock: one migrator at a time on one database.

A session-level advisory lock, in sight of everyone in `pg_locks`, on the connection that runs the
migrations. So it lives as long as that connection's backend: after `kill -9` a successor waits for
the backend that still works, and where the lock is lost, so is the migration.

Polled, because a process that waits inside of `pg_advisory_lock` has a snapshot, and a CREATE INDEX
CONCURRENTLY of the migration that runs waits for that. Whoever has obtained the lock must look
again what is pending. Nothing here reads or writes the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg2 import Error as DriverError
from psycopg2.extensions import STATUS_READY
from psycopg2.extensions import cursor as plain_cursor
from sqlalchemy import Connection

from bridge.database.connection_state import in_autocommit, is_idle
from bridge.database.driver import plain
from bridge.database.driver_errors import first_line
from bridge.errors import LockLost, LockNotObtained
from bridge.locking.holder import (
    CHECK_INTERVAL_CAN_BE_SET,
    OWN_LOCK,
    WAITING_NAME,
    Answer,
    holder_name,
)
from bridge.locking.messages import cut_off
from bridge.locking.scope import WHOLE, WISH, Key, Scope

#: The settings of the session while it migrates, each with its value; as SQL. An idle transaction
#: must survive the time limits for careless ones, and the server must notice a client that is gone.
#: A server that does not know one is not asked to set it.
_SETTINGS = {
    "idle_in_transaction_session_timeout": "'0'",
    "idle_session_timeout": "'0'",
    "tcp_keepalives_idle": "'30'",
    "tcp_keepalives_interval": "'10'",
    "tcp_keepalives_count": "'3'",
    "tcp_user_timeout": "'30000'",
    "client_connection_check_interval": f"CASE WHEN {CHECK_INTERVAL_CAN_BE_SET} THEN '2s' END",
}
_NAMES = ("application_name", *_SETTINGS)
_SET = ", ".join(
    f"CASE WHEN current_setting('{name}', true) IS NOT NULL AND {value} IS NOT NULL "
    f"THEN set_config('{name}', {value}, false) END"
    for name, value in _SETTINGS.items()
)

# A session with another backend than the driver was told is a pooler's, where a lock would stay
# with a connection that others get next. The wish is shown and taken back in the same statement.
_TRY = f"""
WITH before AS MATERIALIZED (
    SELECT ARRAY[{", ".join(f"current_setting('{name}', true)" for name in _NAMES)}] AS settings,
           %(pid)s IS NULL OR pg_backend_pid() = %(pid)s AS is_ours
), attempt AS MATERIALIZED (
    SELECT CASE WHEN is_ours THEN {{take}} ELSE 'pooled' END AS answer FROM before
), wish AS MATERIALIZED (
    SELECT CASE WHEN answer = 'held' AND NOT %(wished)s THEN {{wish}}
                WHEN answer <> 'held' AND %(wished)s THEN NOT {WISH.release}
                ELSE %(wished)s END AS wished
      FROM attempt
)
SELECT answer, settings, pg_backend_pid(), wished,
       CASE WHEN answer <> 'pooled'
            THEN set_config('application_name',
                            CASE WHEN answer <> 'ours' THEN '{WAITING_NAME}'
                                 ELSE coalesce(%(own)s, settings[1]) END, false) END,
       CASE WHEN answer <> 'pooled' THEN ROW({_SET}) END
  FROM attempt, wish, before
"""  # noqa: S608 - constants

# A lock that the session has would be counted twice.
_KEEP = f"""
SELECT coalesce(bool_and(CASE WHEN there THEN true ELSE CASE key {{takes}} END END), false),
       set_config('application_name', %(name)s, false), ROW({_SET})
  FROM (SELECT key, EXISTS (SELECT FROM {OWN_LOCK}) AS there
          FROM unnest(ARRAY[{{keys}}]) AS key) AS keys
"""  # noqa: S608 - constants


@dataclass
class SessionLock:
    """The lock on the session of one connection, which is in no transaction.

    `pooler` is the setting: with "no" the session is ours although another backend answers.
    """

    connection: Connection
    pooler: str = "auto"
    #: Whether it was handed in, so that somebody goes on to use it, and nobody can make it anew.
    lent: bool = False
    scope: Scope = WHOLE
    #: The backend that holds it; None while it is not held.
    pid: int | None = None
    #: What others are shown.
    shown: str = ""
    _before: list[str | None] | None = None
    _lost: bool = False
    #: The keys that it has.
    _held: tuple[Key, ...] = ()
    #: Whether others are shown that it waits for the database as a whole.
    _wished: bool = False

    def attempt(self) -> Answer:
        """Try once to take it. A connection of bridge's that was cut while it waited is made anew.

        Raises LockNotObtained for one that was handed in and cut.
        """
        if self.connection.invalidated and self.lent:
            raise LockNotObtained(cut_off(""))
        try:
            row = self._try(self.scope)
        except DriverError as error:
            if not self.real.closed:
                raise
            if self.lent:
                raise LockNotObtained(cut_off(first_line(error))) from error
            self.connection.invalidate()
            self._before, self._wished = None, False
            row = self._try(self.scope)
        answer: Answer = row[0]
        if answer != "pooled" and self._before is None:
            self._before = row[1]
            self.shown = self._own or ""
        if answer == "ours":
            self.pid, self._held = row[2], self.scope.keys
        return answer

    def widen(self) -> Answer:
        """Try once to have the database as a whole, beside the key of the target.

        What is shared with the runs of other targets is given back first: two of them that kept it
        would wait for each other.
        """
        main, own, alive = self.scope.keys
        if self._held == self.scope.keys:
            self._held = (own,)
            self._give_back([main, alive])
        answer: Answer = self._try(self.scope.wide)[0]
        self.shown = self._own or ""
        if answer == "ours":
            self._held = (own, *self.scope.wide.keys)
        return answer

    def narrow(self) -> None:
        """Share the database again with the runs of other targets."""
        main, own, alive = self.scope.keys
        if main not in self._held and self._held != (own,):
            self._outside(f"SELECT {main.take()}", None)
            self._give_back([self.scope.wide.keys[0]])
            self._held = (main, own, alive)

    def _try(self, scope: Scope) -> Any:
        told = None if self.pooler == "no" else self.real.info.backend_pid
        wish = WISH.take() if scope.wishes else "false"
        attempt = _TRY.format(take=scope.take(), wish=wish)
        row = self._outside(attempt, {"pid": told, "own": self._own, "wished": self._wished})
        self._wished = row[3]
        return row

    @property
    def _own(self) -> str | None:
        return self._before[0] if self._before is not None else None

    def name(self, migration: str) -> str:
        """Return what others are to be shown while this migration runs; "" for none."""
        return holder_name(self.scope.shown(migration), self._own or "")

    def show(self, migration: str) -> None:
        """Show others which migration runs next."""
        name = self.name(migration)
        if name != self.shown:
            send = self._outside if self._is_ready else self._run
            send("SELECT set_config('application_name', %(name)s, false)", {"name": name})
            self.shown = name

    def keep(self) -> None:
        """Take it again, with its settings, after a statement that may have let go of it.

        Raises LockLost if another process has it now, and from then on. It may be called in a
        transaction.
        """
        # The settings must not go with a rollback, unless it brings back those of before.
        send = self._outside if self._is_ready else self._run
        # A file may swallow the error, and that other process may be done by the next time.
        keep = _KEEP.format(
            keys=", ".join(str(key.number) for key in self._held),
            takes=" ".join(f"WHEN {key.number} THEN {key.take()}" for key in self._held),
        )
        self._lost = self._lost or not send(keep, {"name": self.shown})[0]
        if self._lost:
            raise LockLost(
                "The file let go of the migration lock, and another process has it now. Take what "
                "lets go of the session's locks, such as pg_advisory_unlock_all(), out of the file."
            )

    def release(self) -> None:
        """Give back the lock and the settings.

        A connection in trouble is cut instead, and so is one that did not hold the lock any more:
        nobody else must get a session that holds it.
        """
        before, self._before = self._before, None
        # One that is gone has taken its locks along, and would be opened anew.
        if before is None or self.connection.closed or self.connection.invalidated:
            return
        try:
            self.real.rollback()
            if self.pid is not None:
                self._give_back(self._held)
            if self._wished:
                self._outside(f"SELECT {WISH.release}", None)
            if self.lent:
                self._put_back(before)
        except DriverError:
            with suppress(Exception):
                self.connection.invalidate()
        self.pid, self._held, self._wished = None, (), False

    def _give_back(self, keys: Sequence[Key]) -> None:
        releases = ", ".join(key.release for key in reversed(keys))
        pid, *released = self._outside(f"SELECT pg_backend_pid(), {releases}", None)
        if pid != self.pid or not all(released):
            raise DriverError("the lock was not given back")

    def _put_back(self, before: list[str | None]) -> None:
        changed = [(n, v) for n, v in zip(_NAMES, before, strict=True) if v is not None]
        values = ", ".join(["set_config(%s, %s, false)"] * len(changed))
        self._outside(f"SELECT {values}", [each for pair in changed for each in pair])

    @property
    def real(self) -> Any:
        """The driver's connection, past its guard."""
        return plain(self.connection.connection.dbapi_connection)

    @property
    def _is_ready(self) -> bool:
        """Whether there is no transaction, for the server and for the driver."""
        return is_idle(self.real) and self.real.status == STATUS_READY

    def _outside(self, statement: str, values: Any) -> Any:
        """Send a statement that is a transaction of its own."""
        with in_autocommit(self.real):
            return self._run(statement, values)

    def _run(self, statement: str, values: Any) -> Any:
        with self.real.cursor(cursor_factory=plain_cursor) as cursor:
            cursor.execute(statement, values)
            return cursor.fetchone()
