"""Open a connection that only reads: it writes nothing and takes no lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.config.settings import Settings
from bridge.database.connected import connected
from bridge.database.driver_errors import first_line
from bridge.database.request import Request
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError, TableLocked, TryAgain

_LOCK_TIMEOUT = "55P03"


@contextmanager
def looking(
    request: Request, settings: Settings, *, lock_timeout: float | None = None
) -> Iterator[Connection]:
    """Connect to the database of a request, in a transaction that sees one moment.

    The transaction is rolled back at the end. One that the caller has begun on the Connection
    that was handed in is used as it is, and left open. A statement of the block waits for a lock
    for at most `lock_timeout` seconds; None for what the server says. Raises a BridgeError if the
    database cannot be reached, TableLocked where that time was over, and LedgerError if a
    statement of the block fails.
    """
    with connected(request, settings) as connection:
        external = connection.in_transaction()
        try:
            if not external:
                # In READ COMMITTED a migration that is recorded between two of our statements
                # would look like rows and a pointer that disagree.
                connection.execute(
                    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                )
                if lock_timeout is not None:
                    milliseconds = int(lock_timeout * 1000)
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
            yield connection
        except DBAPIError as error:
            raise _unreadable(error) from error
        finally:
            if not external and connection.in_transaction():
                connection.rollback()


def _unreadable(error: DBAPIError) -> LedgerError | TryAgain:
    if (locked := table_locked(error)) is not None:
        return locked
    if error.connection_invalidated:
        return TryAgain(
            f"The connection to the database was lost: {first_line(error)}. Nothing was changed. "
            "Ask again."
        )
    return LedgerError(
        f"The bookkeeping tables could not be read: {first_line(error).rstrip('.')}. "
        "Nothing was changed."
    )


def table_locked(error: DBAPIError) -> TableLocked | None:
    """Return the error that says that another session has locked them; None if none has."""
    if sqlstate(error) != _LOCK_TIMEOUT:
        return None
    return TableLocked(
        f"The bookkeeping tables are locked by another session: {first_line(error)}. Nothing was "
        "changed. Ask again when that session is done."
    )
