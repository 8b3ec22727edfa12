"""Make an Engine and a Connection from a URL.

It starts no server: that the embedded PostgreSQL was chosen is an answer like any other.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from bridge.database.address import (
    ASKED_WITH,
    URL_VARIABLES,
    configured_in,
    connect_defaults,
    named,
)
from bridge.database.connect_errors import CANNOT_CONNECT, explain_connect_error, find_cause
from bridge.database.database import Database
from bridge.database.driver import DriverConnection
from bridge.database.url import connection_parameters, normalise
from bridge.errors import ServerUnreachable, UsageError
from bridge.reporting import events
from bridge.waiting import call, sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import URL, Engine

    from bridge.config.settings import Settings

__all__ = [
    "EmbeddedChoice",
    "connect",
    "explain_connect_error",
    "make_engine",
    "normalise",
    "resolve",
]

#: The first and the longest pause between two attempts to connect, in seconds.
PAUSES = (0.5, 2.0)
#: Seconds from which on the attempt itself was a wait.
LONG = 1.0
#: Seconds after which it is told again that the server cannot be reached, for the same reason.
TELL_EVERY = 4.0


@dataclass(frozen=True)
class EmbeddedChoice:
    """The choice of the embedded PostgreSQL; nothing was started yet."""

    #: Who chose it: ``--embedded``, or the setting.
    source: str


def resolve(
    settings: Settings,
    *,
    database_url: str | URL | None = None,
    embedded: bool = False,
    asked_with: str = ASKED_WITH,
    environ: Mapping[str, str] = os.environ,
) -> Database | EmbeddedChoice:
    """Decide which database is meant.

    The first place that names one; then the embedded one where the settings allow it.
    ``embedded`` is the flag of a command line: it goes before every URL but the argument, with
    which it is a contradiction. ``asked_with`` is how a person would give the argument. Raises
    UsageError if there is none, or the URL cannot be used.
    """
    if embedded and database_url:
        raise UsageError("--embedded and --database-url name two databases: give one of them.")
    if embedded:
        return EmbeddedChoice("--embedded")
    found = named(settings, database_url, asked_with=asked_with, environ=environ)
    if found is not None:
        source, url = found
        return Database(normalise(url, source=source), source)
    if settings.embedded:
        return EmbeddedChoice("the setting embedded")
    raise UsageError(
        "No database is named. Give its URL in one of these places, the first that is set wins:"
        f" {asked_with}, {', '.join(URL_VARIABLES)}, or {configured_in(settings)}."
        " To try without a server of your own, type: eai migrate --embedded"
    )


def make_engine(url: URL, *, application_name: str = "bridge") -> Engine:
    """Make an Engine that opens a connection when asked and keeps none.

    What the URL says about time-outs, keepalives and the application's name is kept, and
    so are PGAPPNAME and PGCONNECT_TIMEOUT.
    """
    missing = connect_defaults(connection_parameters(url), application_name=application_name)
    arguments = {**missing, "connection_factory": DriverConnection}
    return create_engine(url, poolclass=NullPool, connect_args=arguments)


def connect(
    engine: Engine,
    database: Database,
    *,
    wait: float = 0,
    tell: Callable[[events.WaitingForServer], None] | None = None,
    failed: Exception | None = None,
    since: float | None = None,
) -> Connection:
    """Connect, and go on trying for ``wait`` seconds while the server cannot be reached.

    ``tell`` is called with a WaitingForServer: at once, when the cause changes, and every four
    seconds or so. ``failed`` is what a first attempt has just met that was made
    without the Engine, and ``since`` when that began, by the monotonic clock.
    Raises ServerUnreachable, which says how long that took, when the time is over, and
    UsageError at once for what waiting cannot mend: a wrong password, a role or a database that
    is not there.
    """
    started = time.monotonic() if since is None else since
    pause, longest = PAUSES
    reported = ("", 0.0)
    while True:
        try:
            if failed is not None:
                raise failed
            return call(engine.connect, undo=Connection.close)
        except CANNOT_CONNECT as error:
            problem = explain_connect_error(error, database)
            waited = time.monotonic() - started
            if not isinstance(problem, ServerUnreachable):
                raise problem from error
            if waited >= wait:
                if not wait and waited < LONG:
                    raise problem from error
                over = ServerUnreachable(f"{problem}\nWaited {waited:.1f} s for it.")
                over.reason = problem.reason
                raise over from error
            fact = find_cause(error).fact
            if tell is not None and (fact != reported[0] or waited - reported[1] > TELL_EVERY):
                sentence = f"{database.describe()}: {fact}"
                tell(events.WaitingForServer(sentence, seconds=waited))
                reported = (fact, waited)
        failed = None
        sleep(min(pause, max(wait - waited, 0)))
        pause = min(pause * 2, longest)
