"""The migration lock in a transaction of the caller's, with which it ends."""

from __future__ import annotations

from sqlalchemy import Connection, text

from bridge.locking.holder import CHECK_INTERVAL_CAN_BE_SET, Answer
from bridge.locking.scope import Scope

# The server's view of its backends is kept to the end of a transaction.
_LOOK_AGAIN = text("SELECT pg_stat_clear_snapshot()")

_TRY = """
    SELECT {take},
           CASE WHEN {interval_can_be_set}
                THEN set_config('client_connection_check_interval', '2s', true) END
"""


def attempt_in_transaction(connection: Connection, scope: Scope) -> Answer:
    """Try once to take it, up to the end of the transaction in which the connection is."""
    connection.execute(_LOOK_AGAIN)
    attempt = _TRY.format(
        take=scope.take(transaction=True), interval_can_be_set=CHECK_INTERVAL_CAN_BE_SET
    )
    answer: Answer = connection.execute(text(attempt)).one()[0]
    return answer
