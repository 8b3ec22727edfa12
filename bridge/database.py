"""From a URL to an Engine and a Connection: which database, who says so, and getting in.

It starts no server: that the embedded PostgreSQL was chosen is an answer like any other.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bridge.connect_errors import explain_connect_error, find_cause
from bridge.database_url import connection_parameters, normalise
from bridge.errors import ServerUnreachable, UsageError
from bridge.pausing import sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.engine import URL, Connection, Engine

    from bridge.settings import Settings

__all__ = [
    "Database",
    "EmbeddedChoice",
    "connect",
    "explain_connect_error",
    "make_engine",
    "normalise",
    "resolve",
]

#: The variables that may hold the URL, the first that is set wins.
URL_VARIABLES = ("MIGRATION_DATABASE_URL", "DATABASE_URL")

#: How long one attempt to connect may take, in seconds, unless the URL says otherwise.
CONNECT_TIMEOUT = 10

#: A peer that vanished is noticed after about a minute: seconds of silence, seconds between
#: two questions, questions. A firewall forgets an idle connection after some minutes.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}

#: The first and the longest pause between two attempts to connect, in seconds.
PAUSES = (0.5, 2.0)
#: Seconds after which it is told again that the server cannot be reached, for the same reason.
TELL_EVERY = 4.0

#: The URL that `alembic init` writes: nobody's database.
_PLACEHOLDER = "driver://user:pass@localhost/dbname"


@dataclass(frozen=True)
class Database:
    """One database, and where its URL came from."""

    #: The URL for psycopg2. It may hold a password, so it is left out of the repr.
    url: URL = field(repr=False)
    #: Who named it: ``DATABASE_URL``, ``--database-url``, ``sqlalchemy.url in /srv/alembic.ini``.
    source: str

    def describe(self, *, environ: Mapping[str, str] = os.environ) -> str:
        """Say host, port, database, role and source in one line, without any secret.

        ``environ`` gives the PG* variables, which libpq uses for what the URL leaves out.
        """
        given = connection_parameters(self.url)
        service = given.get("service")
        # A service file is read by libpq only: what it says is not known here.
        rest = {} if service else environ
        role = given.get("user") or rest.get("PGUSER")
        name = given.get("dbname") or rest.get("PGDATABASE") or role
        host = given.get("host") or given.get("hostaddr") or rest.get("PGHOST")
        port = given.get("port") or rest.get("PGPORT") or "5432"
        place = f"of the service {service}" if service and not host else _place(host, port)
        words = (f"database {name}" if name else "the default database", place)
        text = " ".join((*words, f"as {role}")) if role else " ".join(words)
        return _one_line(f"{text} (from {self.source})")


@dataclass(frozen=True)
class EmbeddedChoice:
    """The embedded PostgreSQL is to be used; nothing was started yet."""

    #: Who chose it: ``--embedded``, or the setting.
    source: str


def _place(host: str | None, port: str) -> str:
    if not host:
        return f"on the local socket, port {port}"
    hosts, ports = host.split(","), port.split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return "on " + ", ".join(_address(*each) for each in zip(hosts, ports, strict=True))


def _address(host: str, port: str) -> str:
    port = port or "5432"
    if host.startswith(("/", "@")):
        return f"the socket in {host}, port {port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def resolve(
    settings: Settings,
    *,
    database_url: str | URL | None = None,
    embedded: bool = False,
    asked_with: str = "--database-url",
    environ: Mapping[str, str] = os.environ,
) -> Database | EmbeddedChoice:
    """Decide which database is meant.

    The argument, MIGRATION_DATABASE_URL, DATABASE_URL, ``sqlalchemy.url``; then the embedded
    one where the settings allow it. ``embedded`` is the flag of a command line: it goes before
    every URL but the argument, with which it is a contradiction. An empty variable counts as
    unset. ``asked_with`` is how a person would give the argument. Raises UsageError if there is
    none, or the URL cannot be used.
    """
    if embedded and database_url:
        raise UsageError("--embedded and --database-url name two databases: give one of them.")
    if embedded:
        return EmbeddedChoice("--embedded")
    configured = f"sqlalchemy.url in {settings.config_file or 'the Alembic configuration'}"
    candidates: list[tuple[str, str | URL | None]] = [
        (asked_with, database_url),
        *((variable, environ.get(variable)) for variable in URL_VARIABLES),
        (configured, settings.sqlalchemy_url),
    ]
    for source, url in candidates:
        if isinstance(url, str) and url.strip() in {"", _PLACEHOLDER}:
            continue
        if url is not None:
            return Database(normalise(url, source=source), source)
    if settings.embedded:
        return EmbeddedChoice("the setting embedded")
    raise UsageError(
        "No database is named. Give its URL in one of these places, the first that is set wins:"
        f" {asked_with}, {', '.join(URL_VARIABLES)}, or {configured}."
        " To try without a server of your own, type: eai migrate --embedded"
    )


def make_engine(url: URL, *, application_name: str = "bridge") -> Engine:
    """Make an Engine that opens a connection when asked and keeps none.

    What the URL says about time-outs, keepalives and the application's name is kept, and
    so are PGAPPNAME and PGCONNECT_TIMEOUT.
    """
    given = connection_parameters(url)
    # libpq's own "unless somebody said otherwise": a URL, PGAPPNAME or a service file.
    arguments: dict[str, object] = {"fallback_application_name": application_name, **KEEPALIVES}
    if not os.environ.get("PGCONNECT_TIMEOUT"):
        arguments["connect_timeout"] = CONNECT_TIMEOUT
    missing = {name: value for name, value in arguments.items() if name not in given}
    return create_engine(url, poolclass=NullPool, connect_args=missing)


def connect(
    engine: Engine,
    database: Database,
    *,
    wait: float = 0,
    on_wait: Callable[[str, float], None] | None = None,
) -> Connection:
    """Connect, and go on trying for ``wait`` seconds while the server cannot be reached.

    ``on_wait`` is told what is wrong and how many seconds have passed: at once, when it changes,
    and every four seconds or so.
    Raises ServerUnreachable when the time is over, and UsageError at once for what waiting
    cannot mend: a wrong password, a role or a database that is not there.
    """
    started = time.monotonic()
    pause, longest = PAUSES
    last_told = ("", 0.0)
    while True:
        try:
            return engine.connect()
        # psycopg2 cannot decode the message of a server in another encoding.
        except (DBAPIError, UnicodeDecodeError) as error:
            problem = explain_connect_error(error, database)
            waited = time.monotonic() - started
            if not isinstance(problem, ServerUnreachable):
                raise problem from error
            if waited >= wait:
                if not wait:
                    raise problem from error
                raise ServerUnreachable(f"{problem}\nWaited {waited:.1f} s for it.") from error
            fact = find_cause(error).fact
            if on_wait is not None and (fact != last_told[0] or waited - last_told[1] > TELL_EVERY):
                on_wait(f"{database.describe()}: {fact}", waited)
                last_told = (fact, waited)
        sleep(min(pause, max(wait - waited, 0)))
        pause = min(pause * 2, longest)
