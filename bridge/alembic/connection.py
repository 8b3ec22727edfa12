"""Open the connection of an Alembic command: handed in, or made from the URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine

from bridge.alembic.invocation import Invocation
from bridge.config.settings import Settings
from bridge.database.connected import connected, opened
from bridge.database.engine import make_engine
from bridge.database.preconnect import serve
from bridge.errors import UsageError


@contextmanager
def command_connection(
    invocation: Invocation, settings: Settings, *, asked_with: str
) -> Iterator[Connection]:
    """Connect as the command asks; a connection that was handed in stays open.

    `asked_with` is how a person would name a database.
    """

    def make(url: URL) -> Engine:
        engine = make_engine(url)
        if invocation.ahead is not None:
            serve(engine, invocation.ahead)
        return engine

    with (
        opened(invocation.request, settings, asked_with=asked_with) as request,
        connected(request, settings, make=make, alone=True) as connection,
        _transactional(connection),
    ):
        yield connection


@contextmanager
def _transactional(connection: Connection) -> Iterator[None]:
    """Take a connection out of AUTOCOMMIT, which would part a migration from its record."""
    dbapi: Any = connection.connection.dbapi_connection
    if not dbapi.autocommit:
        yield
        return
    if connection.in_transaction():
        raise UsageError(
            "The connection handed in is in AUTOCOMMIT mode, and SQLAlchemy has begun a "
            "transaction on it that the database does not know. Nothing was done. Hand it in "
            "before begin(), or without AUTOCOMMIT."
        )
    connection.execution_options(isolation_level="READ COMMITTED")
    try:
        yield
    finally:
        if not (connection.closed or connection.invalidated or connection.in_transaction()):
            connection.execution_options(isolation_level="AUTOCOMMIT")
