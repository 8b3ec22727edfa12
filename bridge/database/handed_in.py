"""Turn the database that a caller hands in into one that migrations can run on.

It connects to nothing. For a URL as text it imports no SQLAlchemy, and never
``sqlalchemy.ext.asyncio``: what comes from there is there already. What becomes of an engine of
another driver is in `bridge.database.other_drivers`.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import URL, Connection, Dialect, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from bridge.database.database import Database

    #: What the functions of the library take.
    HandedIn = str | URL | Engine | AsyncEngine | Connection | None

#: Where SQLAlchemy defines what can be mistaken for an engine, and what to hand in instead.
_INSTEAD = {
    "AsyncConnection": ("sqlalchemy.ext.asyncio", "its AsyncEngine, connection.engine"),
    "AsyncSession": ("sqlalchemy.ext.asyncio", "its AsyncEngine, session.bind"),
    "async_sessionmaker": ("sqlalchemy.ext.asyncio", "the AsyncEngine it was made with"),
    "Session": ("sqlalchemy.orm", "its Engine, session.get_bind()"),
    "scoped_session": ("sqlalchemy.orm", "its Engine, session.get_bind()"),
    "sessionmaker": ("sqlalchemy.orm", "the Engine it was made with"),
}


@dataclass(frozen=True)
class Lender:
    """What a tool hands in for an Engine, and gives a Connection as every env.py asks for one."""

    tool: Any

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """Yield the Connection, which goes back to the tool; raises UsageError if it is none."""
        from sqlalchemy import Connection

        lent = self.tool.connect()
        if not hasattr(lent, "__enter__"):
            raise _not_a_database(self.tool)
        with lent as connection:
            if not isinstance(connection, Connection):
                raise _not_a_database(self.tool)
            yield _own(connection)


if TYPE_CHECKING:
    #: What the rest of bridge works with: psycopg2's, or the address of a database.
    Usable = str | URL | Engine | Connection | Lender | Database | None


def is_lent(given: object) -> bool:
    """Return whether a connection was handed in, which is to be given back as it came."""
    from sqlalchemy import Connection

    return isinstance(given, Connection | Lender)


def usable(given: object, *, environ: Mapping[str, str] = os.environ) -> Usable:
    """Turn an engine of another driver into the URL it connects to; leave the rest as it is.

    What a tool has put before an Engine or a Connection of SQLAlchemy's is looked through. Where
    MIGRATION_DATABASE_URL is set, it goes before an engine of another driver, and a refusal names
    it.
    Raises UsageError for what no migration can run on.
    """
    if given is None or isinstance(given, str):
        return given
    from sqlalchemy import URL, Connection, Engine

    from bridge.database.database import Database

    if isinstance(given, Connection):
        return _own(given)
    if isinstance(given, URL | Database | Lender):
        return given
    kind, engine = "Engine", given
    if _is(given, "sqlalchemy.ext.asyncio", "AsyncEngine"):
        kind, engine = "AsyncEngine", given.sync_engine  # type: ignore[attr-defined]
    if not isinstance(engine, Engine):
        if _mistaken(given) is None and callable(getattr(given, "connect", None)):
            return Lender(given)
        raise _not_a_database(given)
    engine = engine.engine  # itself, and not what stands before it
    _refuse_other_databases(engine.dialect)
    if engine.dialect.driver == "psycopg2":
        return engine
    # Most callers hand in nothing of the kind, and have no use for what this needs.
    from bridge.database.other_drivers import address_of

    return address_of(engine, kind, environ)


def _is(given: object, module: str, name: str) -> bool:
    """Return whether it is of this class of SQLAlchemy's, without importing SQLAlchemy."""
    found = getattr(sys.modules.get(module), name, None)
    return found is not None and isinstance(given, found)


def _refuse_other_databases(dialect: Dialect) -> None:
    if dialect.name != "postgresql":
        raise UsageError(
            f"The connection handed in speaks {dialect.name}; bridge supports PostgreSQL only."
        )


def _own(connection: Connection) -> Connection:
    """Return the Connection itself, and not what stands before it; only psycopg2's is of use."""
    from sqlalchemy import Connection

    dialect = connection.dialect
    _refuse_other_databases(dialect)
    if dialect.driver == "psycopg2":
        # What only pretends to be one gives itself away by its type.
        real = issubclass(type(connection), Connection)
        return connection if real else connection.execution_options()
    if dialect.is_async:
        raise UsageError(
            f"The connection handed in is that of an AsyncConnection of {dialect.driver}, by way "
            "of run_sync(); bridge runs migrations on psycopg2, outside of its transaction. "
            "Nothing was done. Hand in the AsyncEngine, without run_sync(): "
            "await bridge.upgrade_async(engine), or, for a command of Alembic's, "
            'config.attributes["connection"] = engine and await asyncio.to_thread(command.upgrade, '
            'config, "head").'
        )
    raise UsageError(
        f"The connection handed in uses the driver {dialect.driver}; bridge runs migrations "
        "on psycopg2, outside of its transaction. Nothing was done. Hand in its Engine, or "
        "the URL."
    )


def _mistaken(given: object) -> UsageError | None:
    """Return what to say of something of SQLAlchemy's that is no engine."""
    for name, (module, instead) in _INSTEAD.items():
        if _is(given, module, name):
            article = "An" if name[0] in "aA" else "A"
            return UsageError(
                f"{article} {name} was handed in; bridge makes connections of its own for the "
                f"migrations. Nothing was done. Hand in {instead}, or the URL."
            )
    return None


def _not_a_database(given: object) -> UsageError:
    return _mistaken(given) or UsageError(
        f"The database handed in is of type {type(given).__name__}; bridge takes a URL, or an "
        "Engine, an AsyncEngine or a Connection of SQLAlchemy's."
    )
