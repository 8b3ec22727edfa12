"""Find who holds one of bridge's two advisory locks, as far as the role may see it.

This module only looks; taking and releasing the locks is in bridge.locking.migration_lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, text

from bridge.reporting.numbers import duration

#: zlib.crc32(b"bridge") as a signed int4: the first key of both advisory locks.
LOCK_CLASS = 1769475999
#: Second key: the process that holds this one may migrate the database.
MIGRATION_LOCK = 1
#: Second key: held by the connection that runs the migrations, for as long as it lives.
CONNECTION_ALIVE = 2

#: Second key: held by whoever waits for the database as a whole, so that no target begins.
WANTED = 3

#: What a try to get the lock comes to: it is ours; somebody holds it; an earlier run's backend
#: still works; or the session is not ours, and nothing was taken.
Answer = Literal["ours", "held", "left", "pooled"]

#: What a holder of the migration lock calls itself in `pg_stat_activity`.
APPLICATION_NAME = "bridge"
#: PostgreSQL cuts an application_name after this many bytes (NAMEDATALEN - 1).
APPLICATION_NAME_BYTES = 63
#: How much of it is for a name of the session's own, in characters, beside that of a migration.
_OWN_NAME = 24
#: What calls itself so waits for the migration lock, on a connection made for that.
WAITING_NAME = "bridge (waiting)"
#: What a connection calls itself whose statements can hold no lock; see
#: bridge.locking.pooled_liveness.
UNLOCKED_NAME = "bridge outside of transactions"

#: SQL: the interval is left alone where someone chose one, and set only where the server can honour
#: it (elsewhere any value but 0 is an error): from 14 on Linux, from 15 on macOS and the BSDs.
CHECK_INTERVAL_CAN_BE_SET = """
    current_setting('client_connection_check_interval', true) = '0'
    AND (version() ~* 'linux'
         OR version() ~* 'darwin|bsd' AND current_setting('server_version_num')::int >= 150000)
"""

#: SQL: the backends that run such a statement, whether or not its client still lives. Or one of a
#: client without a name that a pooler has given this connection next. Any role can take the name,
#: so it counts only for one that could run this role's migrations: this role, a member of it or a
#: superuser, who is a member of every role. From the function below pg_stat_activity, whose joins a
#: new backend takes a millisecond to plan.
UNLOCKED_BACKENDS = f"""
    SELECT pid FROM pg_stat_get_activity(NULL)
     WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND state = 'active' AND pid <> pg_backend_pid() AND application_name = '{UNLOCKED_NAME}'
       AND pg_has_role(usesysid, current_user, 'MEMBER')
"""  # noqa: S608 - a constant

#: SQL to follow FROM: one row if this very session holds the lock whose second key is `key`.
#: pg_lock_status() and not the view pg_locks: a view would be locked until the
#: end of the transaction. An own row cannot be of another database, so that is not compared.
OWN_LOCK = f"""
    pg_lock_status()
     WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND granted
       AND classid = {LOCK_CLASS} AND objid = key AND objsubid = 2
"""

#: A SQL condition: this very session holds the migration lock.
HOLDS_LOCK = f"""
    EXISTS (SELECT FROM (SELECT {MIGRATION_LOCK} AS key) AS lock,
                        LATERAL (SELECT FROM {OWN_LOCK}) AS held)
"""  # noqa: S608 - constants

# A role that may not look at others still sees pid, role and application_name; the start of the
# backend is then NULL, which tells "not shown" from "a unix socket" for the address.
_HOLDER = text(f"""
    WITH locks AS MATERIALIZED (
        SELECT pid, objid::bigint AS key, mode = 'ExclusiveLock' AS alone FROM pg_locks
         WHERE locktype = 'advisory' AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND classid = :lock_class
           AND objid::bigint = ANY (CAST(:keys AS bigint[]) || {CONNECTION_ALIVE}::bigint)
           AND objsubid = 2 AND pid IS NOT NULL
        UNION ALL SELECT pid, {CONNECTION_ALIVE}, true FROM ({UNLOCKED_BACKENDS}) AS unlocked
    )
    SELECT locks.pid, a.usename, coalesce(a.application_name, '') AS application_name,
           CASE WHEN a.backend_start IS NOT NULL
                THEN coalesce(host(a.client_addr), 'local') END AS client,
           coalesce(a.xact_start, a.state_change) AS since,
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change))::float
               AS held,
           CASE WHEN a.state = 'active'
                THEN extract(epoch FROM clock_timestamp() - a.query_start)::float END AS statement,
           (SELECT pid FROM locks AS alive WHERE key = {CONNECTION_ALIVE}
             ORDER BY alive.pid = locks.pid DESC, alone DESC, pid LIMIT 1) AS worker_pid
      FROM locks LEFT JOIN pg_stat_activity a ON a.pid = locks.pid
     WHERE locks.key = ANY (CAST(:keys AS bigint[])) AND (alone OR NOT :alone)
     ORDER BY array_position(CAST(:keys AS bigint[]), locks.key), a.xact_start, locks.pid
     LIMIT 1
""").bindparams(lock_class=LOCK_CLASS)  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The backend that holds one of the two locks, as far as this role may see it."""

    pid: int
    #: The backend that runs its migrations, where it can be seen; the one to end if it hangs.
    worker_pid: int | None
    role: str | None
    application_name: str
    #: The client's address, "local" for a unix socket, None where this role may not see it.
    client: str | None
    #: When its transaction began, by the server's clock, and the seconds since then.
    since: datetime | None
    held: float | None
    #: Seconds that the statement it is running has taken so far; None if it is idle, or hidden.
    statement: float | None

    @property
    def migration(self) -> str | None:
        """Return the migration it runs, as given to `mark` (cut where PostgreSQL cuts names)."""
        own, _, label = self.application_name.partition(f"{APPLICATION_NAME}: ")
        return (label.removesuffix(")") if own else label) or None

    def __str__(self) -> str:
        """Return, for example, `backend 4711 (role app, from 10.0.0.5), running 004_users`."""
        role = f"role {self.role}" if self.role else "role unknown"
        words = f"backend {self.pid} ({role}, {_place(self.client)})"
        if self.migration:
            words += f", running {self.migration}"
        elif self.application_name not in ("", APPLICATION_NAME):
            words += f', application "{self.application_name}"'
        if self.since is not None and self.held is not None:
            at = self.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            words += f", since {at} ({duration(self.held)})"
        return words


def holder(
    connection: Connection, *, keys: Sequence[int] = (MIGRATION_LOCK,), alone: bool = False
) -> Holder | None:
    """Return who holds the first of these locks that is held, or None if nobody does.

    With `alone`, whoever shares one with others does not count.

    It reads only; the transaction that this begins on an idle connection is left to the caller.
    """
    row = connection.execute(_HOLDER, {"keys": [*keys], "alone": alone}).one_or_none()
    if row is None:
        return None
    return Holder(
        pid=row.pid,
        worker_pid=row.worker_pid,
        role=row.usename,
        application_name=row.application_name,
        client=row.client,
        since=row.since,
        held=row.held,
        statement=row.statement,
    )


def holder_name(migration: str, own: str = "") -> str:
    """Return what a holder calls itself while this migration runs; `own` is its own name."""
    running = f"{APPLICATION_NAME}: {migration}" if migration else ""
    if own in {"", APPLICATION_NAME}:
        name = running or APPLICATION_NAME
    else:
        name = f"{own[:_OWN_NAME]} ({running})" if running else own
    # Servers replace other characters than ASCII, each version in its own way.
    return name.encode("ascii", "replace").decode()[:APPLICATION_NAME_BYTES]


def terminate(*backends: int) -> str:
    """Return the statement a person may type to end these backends."""
    return "SELECT " + ", ".join(f"pg_terminate_backend({pid})" for pid in backends) + ";"


def _place(client: str | None) -> str:
    if client is None:
        return "address not shown to this role"
    return "on the server itself" if client == "local" else f"from {client}"
