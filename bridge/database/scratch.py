"""A scratch database, empty and of nobody's, for one run: made, used and dropped.

On the embedded server, or on one that is named for it. The application's database is never chosen.
A run that was killed leaves its database behind; the next run drops it. Whoever uses one stays
connected to it from beginning to end, so that those which are nobody's are known.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from bridge.database.database import Database
from bridge.database.driver_errors import first_line
from bridge.database.embedded.server import EmbeddedServer
from bridge.database.engine import connect, make_engine, normalise
from bridge.database.quoting import always_quote, constant
from bridge.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL

#: How a person names the server.
ASKED_WITH: Final = "--scratch-url"
#: Databases that are nobody's. In a name are the seconds since 1970 by the server's clock: in its
#: first minute a database may not have its connection yet.
_LEFTOVERS: Final = """
SELECT datname::text FROM pg_database AS d
 WHERE CASE WHEN datname ~ '^bridge_(lint|scratch)_[0-9]{1,15}_[0-9a-f]+$'
       THEN split_part(datname, '_', 3)::bigint < extract(epoch FROM now()) - 60 END
   AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datname = d.datname)
"""


@contextmanager
def scratch_database(
    url: str | None = None,
    *,
    source: str = ASKED_WITH,
    schemas: Sequence[str] = (),
    search_path: str | None = None,
) -> Iterator[Database]:
    """Create an empty database for the block, on the server of `url` or else the embedded one.

    `source` says in messages where the URL came from. `schemas` are made in it, and `search_path`
    is that of its sessions, as SQL; None for the server's. Raises UsageError where none can be
    created, and what `EmbeddedServer.start` and `connect` raise.
    """
    with ExitStack() as stack:
        if url is None:
            embedded = stack.enter_context(EmbeddedServer.default())
            place = f"the embedded PostgreSQL in {embedded.data_dir}"
            server = Database(embedded.url("postgres"), place)
        else:
            server = Database(normalise(url, source=source), source)
        name = _create(server)
        stack.callback(_sql, server.url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        database = Database(server.url.set(database=name), server.source, is_scratch=True)
        stack.enter_context(_stays_connected(database))
        statements = [f"CREATE SCHEMA IF NOT EXISTS {always_quote(each)}" for each in schemas]
        if search_path is not None:
            value = f"set_config('search_path', {constant(search_path)}, false)"
            # Through a setting, for the path is a list and not a string.
            kept = f'ALTER DATABASE "{name}" SET search_path FROM CURRENT'
            statements += [f"SELECT {value}; {kept}"]
        if statements:
            _sql(database.url, *statements)
        yield database


def _create(server: Database) -> str:
    """Create a database and return its name; drops what runs that were killed have left."""
    engine = make_engine(server.url, application_name="bridge scratch")
    try:
        with connect(engine, server) as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            for name in connection.exec_driver_sql(_LEFTOVERS).scalars().all():
                with suppress(DBAPIError):  # another run is faster, or it is of another role
                    connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')
            now = connection.exec_driver_sql("SELECT extract(epoch FROM now())::bigint").scalar()
            name = f"bridge_scratch_{now}_{secrets.token_hex(4)}"
            try:
                connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
            except DBAPIError as error:
                raise UsageError(
                    f"A scratch database could not be created on {server.describe()}: "
                    f"{first_line(error).rstrip('.')}. Its role must be allowed to create "
                    f"databases (ALTER ROLE … CREATEDB); another server is named with {ASKED_WITH}."
                ) from error
            return name
    finally:
        engine.dispose()


@contextmanager
def _stays_connected(database: Database) -> Iterator[None]:
    engine = make_engine(database.url, application_name="bridge scratch")
    connection: Any = engine.raw_connection()
    connection.set_session(autocommit=True)  # no snapshot, for which others would wait
    try:
        yield
    finally:
        with suppress(DBAPIError):
            connection.close()
        engine.dispose()


def _sql(url: URL, *statements: str) -> None:
    engine = make_engine(url, application_name="bridge scratch")
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    finally:
        engine.dispose()
