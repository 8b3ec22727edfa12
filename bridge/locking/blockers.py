"""Find who keeps a statement from its lock, as far as the asking role may see it.

This module only looks, and through a connection other than the one that waits. It never shows
what others have sent: their statements can hold customers' data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.locking.holder import terminate
from bridge.reporting.numbers import duration

#: How a session is called that is in the way although nobody is connected to it any more.
_PREPARED = "a prepared transaction (SELECT * FROM pg_prepared_xacts shows it)"

#: Two ages that differ by less than this many seconds are told once.
_SAME_AGE = 1.0

# Nothing is asked of the lock table unless the statement does wait for a lock. A role that may not
# look at others still sees their pid, role and application_name; the rest is then NULL.
_BLOCKERS = """
SELECT DISTINCT blocking.pid, a.application_name, a.usename, a.state, a.backend_type,
       extract(epoch FROM clock_timestamp() - a.query_start)::float AS query_age,
       extract(epoch FROM clock_timestamp() - a.state_change)::float AS state_age,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float AS transaction_age,
       CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) END AS waits_for
  FROM pg_stat_activity AS waiting
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
  LEFT JOIN pg_stat_activity AS a ON a.pid = blocking.pid
 WHERE waiting.pid = %(pid)s AND waiting.wait_event_type = 'Lock'
 ORDER BY transaction_age DESC NULLS LAST, pid
"""


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """A session that holds a lock somebody waits for, or stands before it in the queue."""

    #: 0 for a prepared transaction.
    pid: int
    application_name: str
    role: str | None
    #: As pg_stat_activity has it; None where this role may not see it.
    state: str | None
    #: Seconds since its last statement was sent, since it came into this state, and since its
    #: transaction began; None if it is in none, or where this role may not see it.
    query_age: float | None = None
    state_age: float | None = None
    transaction_age: float | None = None
    #: For whom it waits in its turn.
    waits_for: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return, say, `pid 4711 (application web, role app, idle in transaction for 12 min)`."""
        if not self.pid:
            return _PREPARED
        name = f"application {self.application_name}" if self.application_name else ""
        role = f"role {self.role}" if self.role else ""
        words = [name, role, *self._doing()]
        return f"pid {self.pid} ({', '.join(word for word in words if word)})"

    def _doing(self) -> list[str]:
        if self.state is None:
            return ["what it does is not shown to this role"]
        ages = {"query": self.query_age, "state": self.state_age, "xact": self.transaction_age}
        known = {name: age for name, age in ages.items() if age is not None}
        main = known.get("query" if self.state == "active" else "state", 0.0)
        doing = "running a statement" if self.state == "active" else self.state
        words = [f"{doing} for {duration(main)}"]
        if known.get("query", main) - main > _SAME_AGE:
            words.append(f"its last statement sent {duration(known['query'])} ago")
        if known.get("xact", main) - main > _SAME_AGE:
            words.append(f"its transaction open for {duration(known['xact'])}")
        if self.waits_for:
            words.append(f"itself waiting for pid {', '.join(map(str, self.waits_for))}")
        return words


def blockers_of(cursor: Any, pid: int) -> tuple[Blocker, ...]:
    """Return who blocks this backend now; empty if it waits for no lock.

    `cursor` is the driver's, of a connection in autocommit: within a transaction pg_stat_activity
    would stay as it was at the first look.
    """
    cursor.execute(_BLOCKERS, {"pid": pid})
    return tuple(_blocker(*row) for row in cursor.fetchall())


def described(blockers: Sequence[Blocker]) -> str:
    """Name all blockers."""
    return " and ".join(map(str, blockers))


def ending(blockers: Sequence[Blocker]) -> str | None:
    """Return what a person may type to end them, as a sentence; None where that is no use."""
    pids = [blocker.pid for blocker in blockers if blocker.pid]
    if not pids:
        return None
    they = "that it hangs, end it" if len(pids) == 1 else "that they hang, end them"
    return f"Only if you are sure {they} with: {terminate(*pids)}"


def _blocker(pid: int, name: Any, role: Any, state: Any, kind: Any, *rest: Any) -> Blocker:
    query_age, state_age, transaction_age, waits_for = rest
    return Blocker(
        pid=pid,
        application_name=str(name or kind or ""),
        role=role,
        state=state,
        query_age=query_age,
        state_age=state_age,
        transaction_age=transaction_age,
        waits_for=tuple(dict.fromkeys(waits_for or ())),
    )
