"""Put a session back to how it began, and keep its advisory locks.

DISCARD ALL lets go of the migration lock, and another process would begin what this one still runs.
A file may send it as text; the driver's `reset()` does.
"""

from __future__ import annotations

import re
from typing import Any

from psycopg2.extensions import cursor as plain_cursor

from bridge.execution.beginnings import NAMES

#: What the driver's `reset()` sends.
DISCARD_ALL = "DISCARD ALL"
#: The same by its parts, as PostgreSQL lists them, without `pg_advisory_unlock_all()`.
DISCARD_ALL_BUT_LOCKS = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
    "DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES"
)
_DISCARD_ALL = re.compile(r"\s*DISCARD\s+ALL\s*;?\s*", re.IGNORECASE)


def is_discard_all(statement: str) -> bool:
    """Return whether it is this statement and nothing else."""
    return _DISCARD_ALL.fullmatch(statement) is not None


def reset(connection: Any) -> None:
    """Do to the driver's connection, which is in no transaction, what its `reset` does.

    `connection` has no guard. Its locks stay.
    """
    connection.autocommit = False
    for name in NAMES:
        setattr(connection, name, None)
    connection.autocommit = True  # else the driver would begin a transaction
    with connection.cursor(cursor_factory=plain_cursor) as cursor:
        cursor.execute(DISCARD_ALL_BUT_LOCKS)
        # The driver understands no other dates.
        if not connection.get_parameter_status("DateStyle").startswith("ISO"):
            cursor.execute("SET DateStyle TO ISO")
    connection.set_client_encoding(connection.get_parameter_status("client_encoding"))
    connection.autocommit = False
