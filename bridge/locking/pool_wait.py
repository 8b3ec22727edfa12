"""Report a pool that has no connection left for a run, and give up later.

A pooler keeps a statement waiting for as long as all its server connections are taken, two minutes
by default. One of them may be that of the run's own migration lock, and then nobody will ever give
one back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import QueuePool

from bridge.database.cancel import Watched
from bridge.errors import LockNotObtained, UsageError
from bridge.reporting import events
from bridge.reporting.numbers import duration

#: Seconds without an answer after which it is told.
TELL_AFTER = 3.0
#: Seconds after that in which a run that holds the lock gives up: others wait for it.
GIVE_UP_AFTER = 17.0

_MEND = (
    "A pooler such as PgBouncer must have two server connections for one run, one for the "
    "migrations and one for their lock: raise default_pool_size, or the pool_size of this "
    "database, or set MIGRATION_DATABASE_URL to the address of the server itself"
)


@contextmanager
def not_for_ever(
    connection: Connection, tell: Callable[[events.MigrationBlocked], None]
) -> Iterator[None]:
    """Watch the first statement of a connection, which a pooler may hold up.

    `tell` is called from another thread. Raises LockNotObtained instead of the driver's error when
    the time is over; the connection is cut then.
    """
    watched = Watched(connection)
    answered, given_up = threading.Event(), threading.Event()

    def watch() -> None:
        if answered.wait(TELL_AFTER):
            return
        tell(
            events.MigrationBlocked(
                "The migration lock is held, but the first statement of the migrations has had no "
                f"answer for {duration(TELL_AFTER)}; the pool seems to be too small. {_MEND}."
            )
        )
        if not answered.wait(GIVE_UP_AFTER):
            given_up.set()
            watched.cut()

    thread = threading.Thread(target=watch, name="bridge-queueing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        answered.set()
        thread.join()
        # Whatever became of the statement: nobody but us has cut its connection.
        if given_up.is_set():
            raise LockNotObtained(
                "The migration lock was obtained, but the connection of the migrations had no "
                f"answer for {duration(TELL_AFTER + GIVE_UP_AFTER)}, so the pool seems to be too "
                f"small. Nothing was started. {_MEND}. Then run the same command again."
            )


def refuse_pool_of_one(engine: Engine) -> None:
    """Raise UsageError if the engine can never give a connection beside the one that is in use."""
    pool = engine.pool
    if isinstance(pool, QueuePool) and (pool.size(), pool._max_overflow) == (1, 0):  # noqa: SLF001
        raise UsageError(
            "The Engine's pool gives one connection at a time (pool_size=1, max_overflow=0), but "
            "a run needs two: one for the migrations and one for their lock. Nothing was started. "
            "Hand in an Engine with pool_size=2 or more, or the URL."
        )
