"""The migration lock in a transaction of the caller's, with which it ends."""

from __future__ import annotations

from sqlalchemy import Connection, text

from bridge.locking.holder import (
    CHECK_INTERVAL_CAN_BE_SET,
    CONNECTION_ALIVE,
    LOCK_CLASS,
    MIGRATION_LOCK,
    UNLOCKED_BACKENDS,
    Answer,
)

# The server's view of its backends is kept to the end of a transaction.
_LOOK_AGAIN = text("SELECT pg_stat_clear_snapshot()")

_TRY = text(f"""
    SELECT CASE WHEN NOT pg_try_advisory_xact_lock(:lock_class, :lock) THEN 'held'
                WHEN NOT EXISTS ({UNLOCKED_BACKENDS})
                     AND pg_try_advisory_xact_lock(:lock_class, :alive) THEN 'ours'
                ELSE 'left' END,
           CASE WHEN {CHECK_INTERVAL_CAN_BE_SET}
                THEN set_config('client_connection_check_interval', '2s', true) END
""").bindparams(lock_class=LOCK_CLASS, lock=MIGRATION_LOCK, alive=CONNECTION_ALIVE)


def attempt_in_transaction(connection: Connection) -> Answer:
    """Try once to take it, up to the end of the transaction in which the connection is."""
    connection.execute(_LOOK_AGAIN)
    answer: Answer = connection.execute(_TRY).one()[0]
    return answer
