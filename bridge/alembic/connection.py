"""The connection of an Alembic command: handed in, or made from the URL that the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import URL, Connection, Engine

from bridge.alembic.errors import under_command_line
from bridge.config.settings import Settings
from bridge.database.engine import Database, connect, make_engine
from bridge.database.handed_in import usable
from bridge.database.opening import opened
from bridge.database.preconnect import Ahead
from bridge.errors import UsageError
from bridge.reporting.reporter import Reporter


@contextmanager
def connected(config: Config, settings: Settings, reporter: Reporter) -> Iterator[Connection]:
    """Connect as the configuration says; a connection that was handed in stays open.

    ``config.attributes["connection"]`` may be an Engine or a Connection, as Alembic's own
    cookbook has it, or whatever else `bridge.upgrade` takes.
    """
    given = usable(config.attributes.get("connection"))
    if isinstance(given, Connection):
        with _transactional(given):
            yield given
    elif isinstance(given, Engine):
        handed_in = Database(given.url, "the Engine that was handed in")
        with (
            connect(
                given, handed_in, wait=settings.wait_for_server, on_wait=reporter.unreachable
            ) as connection,
            _transactional(connection),
        ):
            yield connection
    else:
        with _opened(config, settings, reporter, given) as database:
            engine = make_engine(database.url)
            ahead: Ahead | None = config.attributes.get("bridge.ahead")
            if ahead is not None:
                ahead.serve(engine)
            try:
                with connect(
                    engine, database, wait=settings.wait_for_server, on_wait=reporter.unreachable
                ) as connection:
                    yield connection
            finally:
                engine.dispose()


@contextmanager
def _opened(
    config: Config, settings: Settings, reporter: Reporter, given: str | URL | Database | None
) -> Iterator[Database]:
    already = config.attributes.get("bridge.database")
    if already is not None:
        yield already
        return
    url, embedded = asked_for(config)
    asked_with = "-x database_url=URL" if under_command_line(config) else "--database-url"
    with opened(settings, url=given or url, embedded=embedded, asked_with=asked_with) as database:
        reporter.database(database.describe())
        yield database


def asked_for(config: Config) -> tuple[str | Database | None, bool]:
    """What a command line says: ours through attributes, Alembic's with ``-x database_url=``."""
    for argument in getattr(config.cmd_opts, "x", None) or ():
        name, _, value = argument.partition("=")
        if name == "database_url":
            if not value:
                raise UsageError("-x database_url needs a value: write -x database_url=URL.")
            return value, False
    attributes: dict[str, Any] = config.attributes
    return attributes.get("bridge.database_url"), bool(attributes.get("bridge.embedded"))


@contextmanager
def _transactional(connection: Connection) -> Iterator[None]:
    """Take a connection out of AUTOCOMMIT, which would part a migration from its record."""
    dbapi: Any = connection.connection.dbapi_connection
    if not dbapi.autocommit:
        yield
        return
    if connection.in_transaction():
        raise UsageError(
            "The connection handed in is in AUTOCOMMIT mode, and in a transaction of SQLAlchemy's "
            "that is none to the database. Nothing was done. Hand it in before begin(), or "
            "without AUTOCOMMIT."
        )
    connection.execution_options(isolation_level="READ COMMITTED")
    try:
        yield
    finally:
        if not (connection.closed or connection.invalidated or connection.in_transaction()):
            connection.execution_options(isolation_level="AUTOCOMMIT")
