"""The address of a database and where it came from, without SQLAlchemy.

It reads no URL and connects to nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bridge.config.decoded import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import URL

    from bridge.config.settings import Settings

#: The variables that may hold the URL, the first that is set wins.
URL_VARIABLES = ("MIGRATION_DATABASE_URL", "DATABASE_URL")

#: How a person gives the URL as an argument, unless a caller says otherwise.
ASKED_WITH = "--database-url"

#: How long one attempt to connect may take, in seconds, unless the URL says otherwise.
CONNECT_TIMEOUT = 10

#: A peer that vanished is noticed within a minute: seconds of silence, seconds between two
#: questions, questions. A firewall forgets an idle connection after some minutes.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # Milliseconds that what was sent may stay without a sign that it has arrived. Without it the
    # system sends it again and again for a quarter of an hour, and asks nothing meanwhile.
    "tcp_user_timeout": 30_000,
}

#: The URL that `alembic init` writes: nobody's database.
_PLACEHOLDER = "driver://user:pass@localhost/dbname"


def named(
    settings: Settings,
    database_url: str | URL | None = None,
    *,
    asked_with: str = ASKED_WITH,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, str | URL] | None:
    """Return the place that names the database, and its URL as written; None for nowhere.

    The target, where it has a URL; else the argument, MIGRATION_DATABASE_URL, DATABASE_URL (each
    of the process, else of the file ``env_file``), ``sqlalchemy.url``. An empty variable counts as
    unset. Raises UsageError for bytes that are no
    text.
    """
    target = settings.target
    if target is not None and target.url is not None:
        return f"the URL of the {target}", decoded(target.url, f"the URL of the {target}")
    candidates: tuple[tuple[str, str | URL | None], ...] = (
        (asked_with, database_url),
        *_of_variables(settings, environ),
        (configured_in(settings), settings.sqlalchemy_url),
    )
    for source, url in candidates:
        if isinstance(url, str) and url.strip() in {"", _PLACEHOLDER}:
            continue
        if url is not None:
            return source, decoded(url, source) if isinstance(url, str) else url
    return None


def _of_variables(
    settings: Settings, environ: Mapping[str, str]
) -> Iterator[tuple[str, str | None]]:
    for variable in URL_VARIABLES:
        yield variable, environ.get(variable)
        yield f"{variable} in {settings.env_file}", settings.variables.get(variable)


def configured_in(settings: Settings) -> str:
    """Return the last of the places, as messages name it."""
    return f"sqlalchemy.url in {settings.config_file or 'the Alembic configuration'}"


def connect_defaults(
    given: Mapping[str, str], *, application_name: str = "bridge"
) -> dict[str, object]:
    """Return the parameters for libpq beyond `given`, which are those of the URL.

    Time-outs, keepalives and the application's name of the URL are kept, and so are PGAPPNAME
    and PGCONNECT_TIMEOUT.
    """
    # libpq's own "unless somebody said otherwise": a URL, PGAPPNAME or a service file.
    arguments: dict[str, object] = {"fallback_application_name": application_name, **KEEPALIVES}
    if not os.environ.get("PGCONNECT_TIMEOUT"):
        arguments["connect_timeout"] = CONNECT_TIMEOUT
    return {name: value for name, value in arguments.items() if name not in given}


def described(
    given: Mapping[str, str], source: str, *, environ: Mapping[str, str] = os.environ
) -> str:
    """Say host, port, database, role and source in one line, without any secret.

    ``given`` is what the URL says, by libpq's names; ``environ`` has the PG* variables, which
    libpq uses for what the URL leaves out.
    """
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
    return _one_line(f"{text} (from {source})")


def with_its_target(described: str, settings: Settings) -> str:
    """Return what `described` says, with the target that is meant in that database."""
    return (
        described if settings.target is None else f"{described}, {_one_line(str(settings.target))}"
    )


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
