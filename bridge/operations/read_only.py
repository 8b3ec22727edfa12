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
from bridge.errors import LedgerError, TryAgain


@contextmanager
def looking(request: Request, settings: Settings) -> Iterator[Connection]:
    """Connect to the database of a request, in a transaction that sees one moment.

    The transaction is rolled back at the end. One that the caller has begun on the Connection
    that was handed in is used as it is, and left open. Raises a BridgeError if the database
    cannot be reached, and LedgerError if a statement of the block fails.
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
            yield connection
        except DBAPIError as error:
            raise _unreadable(error) from error
        finally:
            if not external and connection.in_transaction():
                connection.rollback()


def _unreadable(error: DBAPIError) -> LedgerError | TryAgain:
    if error.connection_invalidated:
        return TryAgain(
            f"The connection to the database was lost: {first_line(error)}. Nothing was changed. "
            "Ask again."
        )
    return LedgerError(
        f"The bookkeeping tables could not be read: {first_line(error).rstrip('.')}. "
        "Nothing was changed."
    )
