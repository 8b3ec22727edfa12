"""Open the connection of a request: named once, waited for, watched for signals."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import URL, Connection, Engine, event

from bridge.config.settings import Settings
from bridge.config.target import refuse_unclear
from bridge.database.address import with_its_target
from bridge.database.database import Database
from bridge.database.engine import connect, make_engine, resolve
from bridge.database.handed_in import Lender
from bridge.database.interrupt import Interrupter
from bridge.database.own_connection import beside, made_guardable
from bridge.database.request import Request
from bridge.database.search_path import (
    search_path_of,
    searching,
    set_at_connect,
    with_search_path,
)
from bridge.reporting import events
from bridge.waiting import call


@contextmanager
def opened(
    request: Request, settings: Settings, *, asked_with: str = "--database-url"
) -> Iterator[Request]:
    """Name the database of a request, report it, and yield the request with that name.

    Connects to nothing. An embedded server is started if it is the one, and runs for as long as the
    block. An Engine or a Connection that was handed in needs no name. `asked_with` is how a person
    would name one. Raises UsageError if no database is named, or it cannot be used.
    """
    if request.opened:
        yield request
        return
    with named(request, settings, asked_with) as here:
        if isinstance(here.database, Database):
            told = with_its_target(here.database.describe(), settings)
            here.reporter.tell(events.DatabaseChosen(told))
        yield replace(here, opened=True)


@contextmanager
def named(
    request: Request, settings: Settings, asked_with: str = "--database-url"
) -> Iterator[Request]:
    """Do as `opened` does, without a report."""
    given = request.database
    _refuse_unclear(request, settings, asked_with)
    if isinstance(given, Engine | Connection | Lender) or (
        isinstance(given, Database) and not request.embedded
    ):
        yield request
        return
    database = resolve(
        settings,
        database_url=given.url if isinstance(given, Database) else given,
        embedded=request.embedded,
        asked_with=asked_with,
        environ=os.environ,
    )
    if isinstance(database, Database):
        yield replace(request, database=database, embedded=False)
        return
    from bridge.database.embedded.server import EmbeddedServer, database_for

    name = database_for(settings.config_file)
    with EmbeddedServer.default() as server:
        server.ensure_database(name)
        database = Database(server.url(name), f"the embedded PostgreSQL in {server.data_dir}")
        yield replace(request, database=database, embedded=False)


def _refuse_unclear(request: Request, settings: Settings, asked_with: str) -> None:
    if request.opened:
        return  # it was clear then
    given = request.database
    how = asked_with if isinstance(given, str | URL) else "The database that was handed in"
    refuse_unclear(settings, given, how)


def database_of(request: Request) -> Database:
    """Return the database of a request, which `opened` has named."""
    assert isinstance(request.database, Database)  # noqa: S101 - what is handed in has no name
    return request.database


def described(request: Request) -> str:
    """Say which database a request is about; of one that was handed in nothing is known."""
    return request.database.describe() if isinstance(request.database, Database) else "database"


@contextmanager
def connected(
    request: Request,
    settings: Settings,
    *,
    make: Callable[[URL], Engine] = make_engine,
    alone: bool = False,
    **attempt: Any,
) -> Iterator[Connection]:
    """Connect to the database of a request, and end the connection with the block.

    Waits for the server as long as the settings say. The interrupter of the request, if it has
    one, cancels on signals what the connection runs. A Connection that was handed in is used as it
    is, and stays open. `make` makes the Engine for a URL; with `alone`, an Engine that was handed
    in gives out no connection of its pool; `attempt` is what `connect` takes of a first attempt.
    Raises what `connect` raises, and UsageError if no database is named.
    """
    _refuse_unclear(request, settings, "--database-url")
    path = search_path_of(settings)
    with ExitStack() as stack:
        given = request.database
        if isinstance(given, Lender):
            given = stack.enter_context(given.lent())
        if isinstance(given, Connection):
            connection = given
        else:
            here = stack.enter_context(named(request, settings))
            engine, database = _engine(here.database, make, path, stack)
            own = engine is not given
            if alone and not own:
                engine = stack.enter_context(beside(engine, set_at_connect(path) if path else None))
                stack.enter_context(made_guardable())
            if own and request.interrupter is not None:
                _watch_all_of(engine, request.interrupter, stack)
            connection = connect(
                engine,
                database,
                wait=settings.wait_for_server,
                tell=request.reporter.tell,
                **attempt,
            )
            if own:
                # One that was open already has been in autocommit, and SQLAlchemy has asked there.
                connection.connection.dbapi_connection.autocommit = False  # type: ignore[union-attr]
        if isinstance(given, Connection | Engine) and request.interrupter is not None:
            # The Connection and not the driver's: SQLAlchemy may reconnect.
            stack.enter_context(request.interrupter.watch(connection))
        # Closed before it is no longer watched: with a rollback, which a dead network swallows.
        if connection is not given:
            stack.enter_context(connection)
        if isinstance(given, Connection | Engine):
            stack.enter_context(searching(connection, path))
        yield connection


def _engine(
    given: object, make: Callable[[URL], Engine], path: str | None, stack: ExitStack
) -> tuple[Engine, Database]:
    """Return the Engine to connect with, and what to call its database."""
    if isinstance(given, Engine):
        return given, Database(given.url, "the Engine that was handed in")
    assert isinstance(given, Database)  # noqa: S101 - `named` has named it
    engine = make(with_search_path(given.url, path))
    stack.callback(engine.dispose)
    return engine, given


def _watch_all_of(engine: Engine, interrupter: Interrupter, stack: ExitStack) -> None:
    """Let a signal end whatever an Engine of ours waits for.

    That is: a connection under way, then each statement from the first of the questions that
    SQLAlchemy asks a new one to the last rollback. After a signal it connects no more.
    """

    def connect(dialect: Any, _record: object, arguments: Any, parameters: Any) -> Any:
        if interrupter.stopping:
            raise dialect.loaded_dbapi.OperationalError("no new connection: the run is stopped")
        return call(
            lambda: dialect.connect(*arguments, **parameters), undo=lambda made: made.close()
        )

    def watch(connection: Any, _record: object) -> None:
        stack.enter_context(interrupter.watch(connection))

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", watch, insert=True)
