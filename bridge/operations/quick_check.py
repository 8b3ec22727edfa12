"""Whom to ask whether anything is pending: the database that a request names, and how.

An ordinary URL is asked over the driver alone, without SQLAlchemy; anything else, and a server that
the driver cannot connect to, over an Engine, with the waiting and the words that belong to that.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from bridge.database.address import connect_defaults, described, named
from bridge.database.plain_url import plain_parameters
from bridge.operations.quick_query import is_up_to_date, through_driver, through_engine
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager, ExitStack

    from sqlalchemy import Engine

    from bridge.config.settings import Settings
    from bridge.database.engine import Database
    from bridge.database.interrupt import Interrupter
    from bridge.database.preconnect import Ahead
    from bridge.operations.request import Request


class Answering(Protocol):
    """The database of a run that may turn out to have nothing to do."""

    @property
    def database(self) -> Database:
        """The same database, for the whole procedure."""

    def is_up_to_date(self) -> bool:
        """Ask it. Raises ServerUnreachable or UsageError where that cannot be done."""

    def ahead(self) -> Ahead | None:
        """Connections for the whole procedure, open until the database is closed.

        None where it was not asked over one that is of use there.
        """


def answering(request: Request, stack: ExitStack) -> Answering | None:
    """Open the database until `stack` is closed; None where only the whole procedure can tell.

    The reporter is told which database it is, unless it was handed in as an Engine.
    """
    given = request.database
    handed_in = given is not None and not isinstance(given, str)
    if handed_in and _is_a_connection(given):
        return None
    settings = request.settings()
    if not settings.own_environment:
        return None  # only its env.py knows which tables it uses
    run = _Run(settings, request.reporter or Reporter(), request.interrupter)
    plain = None if handed_in or request.embedded else _plain(run, given, stack)
    return plain or _over_an_engine(run, request, stack)


def _is_a_connection(given: object) -> bool:
    from sqlalchemy import Connection

    return isinstance(given, Connection)


@dataclass(frozen=True, slots=True)
class _Run:
    """What asking needs beside a database."""

    settings: Settings
    reporter: Reporter
    interrupter: Interrupter | None

    def watching(self, connection: Any) -> AbstractContextManager[object]:
        return self.interrupter.watch(connection) if self.interrupter else nullcontext()


def _plain(run: _Run, given: Any, stack: ExitStack) -> Answering | None:
    """The database of an ordinary URL, wherever that stands."""
    source, url = named(run.settings, given) or ("", None)
    parameters = plain_parameters(url) if isinstance(url, str) else None
    if url is None or parameters is None:
        return None
    run.reporter.database(described(parameters, source))
    return _OverTheDriver(run, source, str(url), parameters, stack)


def _over_an_engine(run: _Run, request: Request, stack: ExitStack) -> Answering:
    from sqlalchemy import Engine

    from bridge.database.engine import Database, make_engine
    from bridge.database.opening import opened

    given: Any = request.database
    if isinstance(given, Engine):
        return _OverAnEngine(run, Database(given.url, "the Engine that was handed in"), given)
    opening = opened(run.settings, url=given, embedded=request.embedded)
    database = stack.enter_context(opening)
    run.reporter.database(database.describe())
    engine = make_engine(database.url)
    stack.callback(engine.dispose)
    return _OverAnEngine(run, database, engine)


@dataclass(frozen=True, slots=True)
class _OverAnEngine:
    run: _Run
    database: Database
    engine: Engine

    def is_up_to_date(self, **attempt: Any) -> bool:
        """As above; `attempt` is what `connect` is told of a first one."""
        from bridge.database.engine import connect

        settings, on_wait = self.run.settings, self.run.reporter.unreachable
        wait = settings.wait_for_server
        with (
            connect(
                self.engine, self.database, wait=wait, on_wait=on_wait, **attempt
            ) as connection,
            self.run.watching(connection),
        ):
            return is_up_to_date(through_engine(connection), settings)

    def ahead(self) -> None:
        return None


@dataclass
class _OverTheDriver:
    run: _Run
    source: str
    url: str
    #: What the URL says, by libpq's names.
    parameters: Mapping[str, str]
    #: What closes the database.
    stack: ExitStack
    _connection: Any = None

    @cached_property
    def database(self) -> Database:
        from bridge.database.engine import Database, normalise

        return Database(normalise(self.url, source=self.source), self.source)

    def is_up_to_date(self) -> bool:
        import psycopg2

        began = time.monotonic()
        try:
            connection = self._connect()
        except (psycopg2.Error, UnicodeDecodeError) as error:
            failed, took = error, time.monotonic() - began
        else:
            self.stack.callback(connection.close)
            self._connection = connection
            with self.run.watching(connection):
                return is_up_to_date(through_driver(connection), self.run.settings)
        return self._over_an_engine(failed, took)

    def ahead(self) -> Ahead | None:
        from bridge.database.preconnect import Ahead

        if self._connection is None:
            return None
        ahead = Ahead(self._connection, self._connect)
        self.stack.callback(ahead.close)
        return ahead

    def _connect(self) -> Any:
        import psycopg2

        return psycopg2.connect(**self.parameters, **connect_defaults(self.parameters))

    def _over_an_engine(self, failed: Exception, took: float) -> bool:
        from bridge.database.engine import explain_connect_error, make_engine
        from bridge.errors import ServerUnreachable

        engine = make_engine(self.database.url)
        # To what waiting does not mend an Engine may have an answer: a listener of the program's
        # can give it the password.
        final = not isinstance(explain_connect_error(failed, self.database), ServerUnreachable)
        over = _OverAnEngine(self.run, self.database, engine)
        # The seconds that it took to load SQLAlchemy are none that the server was waited for.
        since = time.monotonic() - took
        try:
            return over.is_up_to_date(failed=None if final else failed, since=since)
        finally:
            engine.dispose()
