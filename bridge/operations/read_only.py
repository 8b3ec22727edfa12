"""A connection for those who only look at a database: nothing is written, no lock is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from bridge.config.settings import Settings
from bridge.database.engine import Database, connect, make_engine
from bridge.database.opening import opened
from bridge.errors import LedgerError, TryAgain
from bridge.operations.request import Request
from bridge.reporting.reporter import LogReporter


@contextmanager
def looking(request: Request, settings: Settings) -> Iterator[Connection]:
    """A connection to the database of a request, in a transaction that sees one moment.

    The transaction is rolled back at the end. One that the caller has begun on the Connection
    that was handed in is used as it is, and left open. Raises a BridgeError if the database
    cannot be reached, and LedgerError if a statement of the block fails.
    """
    interrupter = request.interrupter
    with (
        _connected(request, settings) as connection,
        interrupter.watch(connection) if interrupter else nullcontext(),
    ):
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


@contextmanager
def _connected(request: Request, settings: Settings) -> Iterator[Connection]:
    given = request.database
    if isinstance(given, Connection):
        yield given
        return
    on_wait = (request.reporter or LogReporter()).unreachable
    wait = settings.wait_for_server
    if isinstance(given, Engine):
        handed_in = Database(given.url, "the Engine that was handed in")
        with connect(given, handed_in, wait=wait, on_wait=on_wait) as connection:
            yield connection
        return
    with opened(settings, url=given, embedded=request.embedded) as database:
        engine = make_engine(database.url)
        try:
            with connect(engine, database, wait=wait, on_wait=on_wait) as connection:
                yield connection
        finally:
            engine.dispose()


def _unreadable(error: DBAPIError) -> LedgerError | TryAgain:
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    if error.connection_invalidated:
        return TryAgain(
            f"The connection to the database was lost: {lines[0]}. Nothing was changed. Ask again."
        )
    return LedgerError(
        f"The bookkeeping tables could not be read: {lines[0].rstrip('.')}. Nothing was changed."
    )
