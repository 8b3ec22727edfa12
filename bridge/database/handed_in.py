"""Turn the database that a caller hands in into one that migrations can run on.

It connects to nothing. For a URL as text it imports no SQLAlchemy, and never
``sqlalchemy.ext.asyncio``: what comes from there is there already. What becomes of an engine of
another driver is in `bridge.database.other_drivers`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL, Connection, Dialect, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from bridge.database.database import Database

    #: What the functions of the library take.
    HandedIn = str | URL | Engine | AsyncEngine | Connection | None
    #: What the rest of bridge works with: psycopg2's, or the address of a database.
    Usable = str | URL | Engine | Connection | Database | None

#: Where SQLAlchemy defines what can be mistaken for an engine, and what to hand in instead.
_INSTEAD = {
    "AsyncConnection": ("sqlalchemy.ext.asyncio", "its AsyncEngine, connection.engine"),
    "AsyncSession": ("sqlalchemy.ext.asyncio", "its AsyncEngine, session.bind"),
    "async_sessionmaker": ("sqlalchemy.ext.asyncio", "the AsyncEngine it was made with"),
    "Session": ("sqlalchemy.orm", "its Engine, session.get_bind()"),
    "sessionmaker": ("sqlalchemy.orm", "the Engine it was made with"),
}


def usable(given: object, *, environ: Mapping[str, str] = os.environ) -> Usable:
    """Turn an engine of another driver into the URL it connects to; leave the rest as it is.

    Where MIGRATION_DATABASE_URL is set, it goes before such an engine, and a refusal names it.
    Raises UsageError for what no migration can run on.
    """
    if given is None or isinstance(given, str):
        return given
    from sqlalchemy import URL, Connection, Engine

    from bridge.database.database import Database

    if isinstance(given, Connection):
        _refuse_other_connections(given.dialect)
        return given
    if isinstance(given, URL | Database):
        return given
    kind, engine = "Engine", given
    if _is(given, "sqlalchemy.ext.asyncio", "AsyncEngine"):
        kind, engine = "AsyncEngine", given.sync_engine  # type: ignore[attr-defined]
    if not isinstance(engine, Engine):
        raise _not_a_database(given)
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


def _refuse_other_connections(dialect: Dialect) -> None:
    _refuse_other_databases(dialect)
    if dialect.driver != "psycopg2":
        raise UsageError(
            f"The connection handed in uses the driver {dialect.driver}; bridge runs migrations "
            "on psycopg2, outside of its transaction. Nothing was done. Hand in its Engine, or "
            "the URL."
        )


def _not_a_database(given: object) -> UsageError:
    for name, (module, instead) in _INSTEAD.items():
        if _is(given, module, name):
            article = "An" if name[0] in "aA" else "A"
            return UsageError(
                f"{article} {name} was handed in; bridge makes connections of its own for the "
                f"migrations. Nothing was done. Hand in {instead}, or the URL."
            )
    return UsageError(
        f"The database handed in is of type {type(given).__name__}; bridge takes a URL, or an "
        "Engine, an AsyncEngine or a Connection of SQLAlchemy's."
    )
