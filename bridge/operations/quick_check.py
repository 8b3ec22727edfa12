"""Answer whether anything is pending in the database of a request, if it is quickly known.

An ordinary URL is asked over the driver alone, without SQLAlchemy; anything else, and a server that
the driver cannot connect to, over an Engine, with the waiting and the words that belong to that.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

from bridge.database.address import connect_defaults, described, named, with_its_target
from bridge.database.driver import DriverConnection
from bridge.database.handed_in import is_lent
from bridge.database.plain_url import plain_parameters
from bridge.operations.quick_query import is_up_to_date, through_driver, through_engine
from bridge.reporting import events
from bridge.waiting import call

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from bridge.config.settings import Settings
    from bridge.database.request import Request


class Answering(Protocol):
    """The database of a run that may turn out to have nothing to do."""

    @property
    def request(self) -> Request:
        """Return the request with its database named, for the whole procedure."""

    def is_up_to_date(self) -> bool:
        """Ask the database. Raises ServerUnreachable or UsageError where that fails."""

    def ahead(self) -> Any:
        """Return connections for the whole procedure, open until the database is closed.

        None where it was not asked over one that is of use there.
        """


def answering(request: Request, stack: ExitStack) -> Answering | None:
    """Open the database until `stack` is closed; None where only the whole procedure can tell.

    The reporter is told which database it is, unless it was handed in as an Engine.
    """
    given = request.database
    handed_in = given is not None and not isinstance(given, str)
    if handed_in and is_lent(given):
        return None
    settings = request.settings()
    if not settings.own_environment:
        return None  # only its env.py knows which tables it uses
    plain = None if handed_in or request.embedded else _plain(request, settings, stack)
    if plain is not None:
        return plain
    from bridge.database.connected import opened

    return _OverAnEngine(stack.enter_context(opened(request, settings)), settings)


def _plain(request: Request, settings: Settings, stack: ExitStack) -> Answering | None:
    """Return the database of an ordinary URL, wherever that is written."""
    if settings.has_targets or settings.target is not None:
        from bridge.config.target import refuse_unclear

        refuse_unclear(settings, request.database, "--database-url")
    source, url = named(settings, cast("str | None", request.database)) or ("", None)
    parameters = plain_parameters(url) if isinstance(url, str) else None
    if url is None or parameters is None:
        return None
    if settings.target is not None:
        from bridge.database.search_path import search_path_of, startup_options

        if (path := search_path_of(settings)) is not None:
            parameters["options"] = startup_options(path)
    told = with_its_target(described(parameters, source), settings)
    request.reporter.tell(events.DatabaseChosen(told))
    return _OverTheDriver(
        request, settings, source=source, url=str(url), parameters=parameters, stack=stack
    )


# Plain classes: `@dataclass` takes longer to make one than to ask the database.


class _OverAnEngine:
    def __init__(self, request: Request, settings: Settings) -> None:
        self.request = request
        self.settings = settings

    def is_up_to_date(self, **attempt: Any) -> bool:
        """Ask the database; `attempt` counts as the first try of `connect`."""
        from sqlalchemy.exc import TimeoutError as PoolTimeout

        from bridge.database.connected import connected

        try:
            with connected(self.request, self.settings, **attempt) as connection:
                return is_up_to_date(through_engine(connection), self.settings)
        except PoolTimeout:  # all of the pool's are taken; a run has one of its own
            return False

    def ahead(self) -> None:
        return None


class _OverTheDriver:
    def __init__(
        self,
        asked: Request,
        settings: Settings,
        *,
        source: str,
        url: str,
        parameters: Mapping[str, str],
        stack: ExitStack,
    ) -> None:
        self.asked = asked
        self.settings = settings
        self.source = source
        self.url = url
        #: What the URL says, by libpq's names.
        self.parameters = parameters
        #: What closes the database.
        self.stack = stack
        self._connection: Any = None

    @cached_property
    def request(self) -> Request:
        from bridge.database.database import Database
        from bridge.database.engine import normalise

        database = Database(normalise(self.url, source=self.source), self.source)
        return replace(self.asked, database=database, opened=True)

    def is_up_to_date(self) -> bool:
        import psycopg2

        began = time.monotonic()
        try:
            connection = call(self._connect, undo=lambda made: made.close())
        except (psycopg2.Error, UnicodeDecodeError) as error:
            failed, took = error, time.monotonic() - began
        else:
            self.stack.callback(connection.close)
            self._connection = connection
            interrupter = self.asked.interrupter
            with interrupter.watch(connection) if interrupter else nullcontext():
                return is_up_to_date(through_driver(connection), self.settings)
        return self._over_an_engine(failed, took)

    def ahead(self) -> Any:
        return self._connection

    def _connect(self) -> Any:
        import psycopg2

        # The same connection goes on to run what is pending.
        options = {**connect_defaults(self.parameters), "connection_factory": DriverConnection}
        return psycopg2.connect(**self.parameters, **options)

    def _over_an_engine(self, failed: Exception, took: float) -> bool:
        from bridge.database.database import Database
        from bridge.database.engine import explain_connect_error
        from bridge.errors import ServerUnreachable

        database = cast("Database", self.request.database)
        # To what waiting does not mend an Engine may have an answer: a listener of the program's
        # can give it the password.
        final = not isinstance(explain_connect_error(failed, database), ServerUnreachable)
        # The seconds that it took to load SQLAlchemy are none that the server was waited for.
        since = time.monotonic() - took
        over = _OverAnEngine(self.request, self.settings)
        return over.is_up_to_date(failed=None if final else failed, since=since)
