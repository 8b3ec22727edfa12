"""The connection of an Alembic command: handed in, or made from the URL that the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, Dialect, Engine

from bridge.alembic_errors import under_command_line
from bridge.database import Database, connect, make_engine
from bridge.errors import UsageError
from bridge.opening import opened
from bridge.reporting import Reporter
from bridge.settings import Settings


@contextmanager
def connected(config: Config, settings: Settings, reporter: Reporter) -> Iterator[Connection]:
    """Connect as the configuration says; a connection that was handed in stays open.

    ``config.attributes["connection"]`` may be an Engine or a Connection, as Alembic's own
    cookbook has it.
    """
    given = config.attributes.get("connection")
    if isinstance(given, Connection):
        _refuse_other_drivers(given.dialect)
        with _transactional(given):
            yield given
    elif isinstance(given, Engine):
        _refuse_other_drivers(given.dialect)
        handed_in = Database(given.url, "the Engine that was handed in")
        with (
            connect(
                given, handed_in, wait=settings.wait_for_server, on_wait=reporter.unreachable
            ) as connection,
            _transactional(connection),
        ):
            yield connection
    elif given is not None:
        raise UsageError(
            f"The connection handed in is of type {type(given).__name__}; bridge takes a "
            "synchronous SQLAlchemy Engine or Connection."
        )
    else:
        with _opened(config, settings, reporter) as database:
            engine = make_engine(database.url)
            try:
                with connect(
                    engine, database, wait=settings.wait_for_server, on_wait=reporter.unreachable
                ) as connection:
                    yield connection
            finally:
                engine.dispose()


@contextmanager
def _opened(config: Config, settings: Settings, reporter: Reporter) -> Iterator[Database]:
    already = config.attributes.get("bridge.database")
    if already is not None:
        yield already
        return
    url, embedded = asked_for(config)
    asked_with = "-x database_url=URL" if under_command_line(config) else "--database-url"
    with opened(settings, url=url, embedded=embedded, asked_with=asked_with) as database:
        reporter.database(database.describe())
        yield database


def asked_for(config: Config) -> tuple[str | None, bool]:
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


def _refuse_other_drivers(dialect: Dialect) -> None:
    if dialect.name != "postgresql":
        raise UsageError(
            f"The connection handed in speaks {dialect.name}; PostgreSQL is what bridge supports."
        )
    if dialect.driver != "psycopg2":
        raise UsageError(
            f"The connection handed in uses the driver {dialect.driver}; bridge runs migrations "
            "on psycopg2. Nothing was done. Hand in the URL, which may be the same one, or leave "
            "it to MIGRATION_DATABASE_URL or DATABASE_URL."
        )
