"""Find who holds the migration lock, what it runs, who waits for it, who blocks it.

It only looks, and cancels a statement where that is asked for; `bridge.locking.session_lock`
takes and releases the lock. Of a statement only its shape is told: its constants can be customers'
data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.database.connected import connected
from bridge.database.driver_errors import first_line
from bridge.database.request import Request
from bridge.database.sql_text import spans
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError, TryAgain, UsageError
from bridge.locking.blockers import Blocker, blockers_of, described, ending
from bridge.locking.holder import CONNECTION_ALIVE, WAITING_NAME, Holder, holder, terminate
from bridge.reporting.numbers import counted, duration

#: Characters of a statement that are told.
_SHOWN = 200
#: A constant that PostgreSQL has cut off together with the end of a long statement.
_CUT_OFF = re.compile(r"'|\$\w*\$|/\*")
_NUMBER = re.compile(r"(?<![\w.$\"])\d+(\.\d+)?(e[+-]?\d+)?\b", re.IGNORECASE)

_INSUFFICIENT_PRIVILEGE = "42501"

_WORKER = text("""
    SELECT pid, usename AS role, state, query AS statement,
           CASE WHEN state = 'active'
                THEN extract(epoch FROM clock_timestamp() - query_start)::float END AS seconds,
           extract(epoch FROM clock_timestamp() - xact_start)::float AS transaction_seconds,
           query_start::text AS sent
      FROM pg_stat_activity WHERE pid = :pid
""")

_WAITERS = text("""
    SELECT pid, usename AS role,
           CASE WHEN backend_start IS NOT NULL
                THEN coalesce(host(client_addr), 'local') END AS client,
           extract(epoch FROM clock_timestamp() - backend_start)::float AS seconds
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = :name
     ORDER BY backend_start, pid
""").bindparams(name=WAITING_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """The backend that runs the migrations of the holder, or of a run that was killed."""

    pid: int
    role: str | None
    #: As pg_stat_activity has it; None where this role may not see it.
    state: str | None
    #: The shape of what it was sent last; None where this role may not see it.
    statement: str | None
    #: Seconds that this statement has taken so far; None if it is done, or hidden.
    seconds: float | None
    #: Seconds since its transaction began; None if it is in none, or hidden.
    transaction_seconds: float | None
    #: Tells two statements apart.
    sent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A process that waits for the lock on a connection that bridge has made for it."""

    pid: int
    role: str | None
    #: As in Holder.
    client: str | None
    #: How long it has waited; None where this role may not see it.
    seconds: float | None

    def __str__(self) -> str:
        """Return, for example, `backend 4711 (role app, from 10.0.0.5), for 35 s`."""
        places = {None: "address not shown to this role", "local": "on the server itself"}
        place = places.get(self.client, f"from {self.client}")
        since = "" if self.seconds is None else f", for {duration(self.seconds)}"
        return f"backend {self.pid} (role {self.role or 'unknown'}, {place}){since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStatus:
    """The state of the migration lock of one database at one moment."""

    holder: Holder | None
    worker: Worker | None
    blockers: tuple[Blocker, ...] = ()
    waiters: tuple[Waiter, ...] = ()

    @property
    def migration(self) -> str | None:
        """The migration that the holder has begun, as far as its name fits into a name."""
        return self.holder.migration if self.holder else None

    @property
    def lines(self) -> list[str]:
        """Return all of it as lines for a person."""
        return [self._held(), *self._running(), *self._waiting()]

    def to_json(self) -> dict[str, Any]:
        """The documented form, made of what JSON knows; its keys stay as they are."""
        found, worker = self.holder, self.worker
        return {
            "held": found is not None,
            "holder": found
            and {
                "pid": found.pid,
                "role": found.role,
                "application_name": found.application_name,
                "client": found.client,
                "since": found.since and found.since.isoformat(),
                "seconds": found.held,
            },
            "migration": self.migration,
            "worker": worker and {k: v for k, v in asdict(worker).items() if k != "sent"},
            "blockers": [asdict(blocker) for blocker in self.blockers],
            "waiters": [asdict(waiter) for waiter in self.waiters],
        }

    def _held(self) -> str:
        if self.holder is not None:
            return f"The migration lock is held by {self.holder}."
        if self.worker is None:
            return "Nobody holds the migration lock of this database."
        return (
            "Nobody holds the migration lock of this database, but a killed run has left backend "
            f"{self.worker.pid}, which still works; the next run waits for it."
        )

    def _running(self) -> Iterator[str]:
        worker = self.worker
        if worker is None:
            if self.holder is not None:
                yield "  This role may not see which backend runs its migrations."
            return
        if worker.state is None:
            yield f"  Backend {worker.pid}: what it does is not shown to this role."
        elif worker.seconds is None:
            yield f"  Backend {worker.pid} runs no statement now ({worker.state})."
        else:
            yield f"  Backend {worker.pid} runs a statement, for {duration(worker.seconds)} so far:"
            yield f"    {worker.statement}"
        if self.blockers:
            yield f"  It waits for {described(self.blockers)}."
            if advice := ending(self.blockers):
                yield f"  {advice}"

    def _waiting(self) -> Iterator[str]:
        if self.waiters:
            processes = counted(len(self.waiters), "process waits", "wait")
            yield f"  {processes} for the lock:"
            yield from (f"    {waiter}" for waiter in self.waiters)


def lock_status(connection: Connection, *, verbatim: bool = False) -> LockStatus:
    """Look at the lock of this database; the connection is one in autocommit.

    With `verbatim` the statement is told as it was sent, constants and all.
    """
    found = holder(connection)
    if found is not None:
        pid = found.worker_pid
    else:
        left = holder(connection, keys=(CONNECTION_ALIVE,))
        pid = left.pid if left else None
    worker = None if pid is None else _worker(connection, pid, verbatim=verbatim)
    blockers: tuple[Blocker, ...] = ()
    if worker is not None:
        driver: Any = connection.connection.dbapi_connection
        with driver.cursor() as cursor:
            blockers = blockers_of(cursor, worker.pid)
    waiters = tuple(Waiter(**row) for row in connection.execute(_WAITERS).mappings())
    return LockStatus(holder=found, worker=worker, blockers=blockers, waiters=waiters)


def cancel_statement(connection: Connection, seen: LockStatus) -> None:
    """Cancel the statement that was seen, and no other.

    Raises TryAgain if it has ended since, and UsageError if this role may not.
    """
    worker = lock_status(connection).worker
    if seen.worker is None or worker is None or _same(worker) != _same(seen.worker):
        raise TryAgain("That statement has ended meanwhile. Nothing was cancelled.")
    try:
        connection.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": worker.pid})
    except DBAPIError as error:
        if sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise UsageError(
            f"This role may not cancel a statement of role {worker.role}. Nothing was cancelled. "
            "Run this as that role, as a superuser, or as a member of pg_signal_backend."
        ) from error


@contextmanager
def watching(request: Request) -> Iterator[Connection]:
    """Connect in autocommit: in a transaction, pg_stat_activity would not change."""
    try:
        with connected(request, request.settings()) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
    except DBAPIError as error:
        raise LedgerError(f"The migration lock could not be read: {first_line(error)}") from error


def may_hang(worker: Worker) -> str:
    """Return what a person may type where a statement cannot be cancelled, as a sentence."""
    return f"Only if you are sure that it hangs, end it with: {terminate(worker.pid)}"


def shape_of(statement: str) -> str:
    """Return the first line of a statement, with a `?` for each constant, without comments."""
    words = ""
    for piece, is_token in spans(statement):
        if is_token:
            comment = piece.startswith(("--", "/*"))
            words += piece if piece.startswith('"') else " " if comment else "?"
            continue
        cut_off = _CUT_OFF.search(piece)
        words += _NUMBER.sub("?", piece[: cut_off.start()] if cut_off else piece)
        if cut_off:
            words += "…"
            break
    return _first_line(words)


def _first_line(statement: str) -> str:
    lines = [" ".join(line.split()) for line in statement.splitlines()]
    first = next((line for line in lines if line), "")
    return first if len(first) <= _SHOWN else first[: _SHOWN - 1] + "…"


def _worker(connection: Connection, pid: int, *, verbatim: bool) -> Worker | None:
    row = connection.execute(_WORKER, {"pid": pid}).mappings().one_or_none()
    if row is None:
        return None
    worker = dict(row)
    if worker["state"] is None:
        worker["statement"] = None  # the server's own words for "not shown"
    else:
        worker["statement"] = (_first_line if verbatim else shape_of)(worker["statement"] or "")
    return Worker(**worker)


def _same(worker: Worker) -> tuple[int, str | None, str | None]:
    return worker.pid, worker.sent, worker.state
