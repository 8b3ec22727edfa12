"""Turn a database URL as teams write it into one for SQLAlchemy and psycopg2.

It connects to nothing. No message of this module quotes the URL: it may hold a password,
and in a URL that cannot be read nobody can tell where.
"""

from __future__ import annotations

import math
import posixpath
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    #: What SQLAlchemy calls the part of a URL after the question mark.
    Query = Mapping[str, str | tuple[str, ...]]

DRIVER = "postgresql+psycopg2"

#: Whether SQLAlchemy decodes and encodes the name of the database, like the role and the password:
#: 2.1 does, as libpq does, and 2.0 does not.
_DECODES_NAME = make_url("postgresql://host/%25").database == "%"

_FORM = "postgresql://role:password@host:5432/database"

#: Twin of the first half of SQLAlchemy's own pattern for a URL.
_USERINFO = re.compile(r"(?:[^:/]*(?::[^@]*)?@)?", re.DOTALL)

_HOST = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>\d+))?")

_SSLMODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})

#: libpq itself reads `ssl=true` in a URL as `sslmode=require`.
_SSL_WORDS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}

#: Parameters of asyncpg, psycopg 3, pg8000 and their dialects that tune only those drivers.
_OTHER_DRIVERS = frozenset(
    {
        *("async_fallback", "autocommit", "command_timeout", "direct_tls"),
        *("max_cacheable_statement_size", "max_cached_statement_lifetime", "prepare_threshold"),
        *("prepared_statement_cache_size", "prepared_statement_name_func", "server_settings"),
        *("statement_cache_size", "tcp_keepalive"),
    }
)


def normalise(url: str | URL, *, source: str = "the database URL") -> URL:
    """Map a PostgreSQL URL of any driver to ``postgresql+psycopg2://``.

    ``source`` says in messages where the URL came from. Raises UsageError if it cannot be
    read, or is for another database.
    """
    parsed = url if isinstance(url, URL) else _parse(url, source)
    _check_backend(parsed.drivername, source)
    query = _translated(parsed.query, source)
    # Out of the query, so that SQLAlchemy hides the password too when it prints the URL.
    role, password, name = (query.pop(key, None) for key in ("user", "password", "dbname"))
    host = parsed.host
    if host and host[:3].lower() == "%2f":
        # libpq's way to write the folder of a socket; SQLAlchemy leaves the host encoded.
        query, host = {"host": unquote(host), **query}, None
    normal = URL.create(
        DRIVER,
        _last(role) or parsed.username,
        _last(password) or parsed.password,
        host,
        parsed.port,
        _last(name) or parsed.database,
        query,
    )
    _check_address(normal, source)
    return normal


def rendered(url: URL) -> str:
    """Return the URL as text, with its password, as `normalise` and libpq read it."""
    if not _DECODES_NAME and url.database:
        url = url.set(database=quote(url.database, safe=" +/"))
    return url.render_as_string(hide_password=False)


def _last(value: str | tuple[str, ...] | None) -> str | None:
    return value[-1] if isinstance(value, tuple) else value


def connection_parameters(url: URL) -> dict[str, str]:
    """Return what libpq is told, under its own names: host, port, user, dbname and so on.

    The URL may be one of any driver of PostgreSQL; an Engine that is handed in has its own.
    """
    make_dialect: Any = PGDialect_psycopg2  # it is not typed
    _, parameters = make_dialect().create_connect_args(url)
    return {str(name): str(value) for name, value in parameters.items() if value is not None}


def _parse(text: str, source: str) -> URL:
    text = text.strip()
    if text[:1] in {'"', "'"}:
        raise UsageError(
            f"{source} begins with a quotation mark, which is not part of a URL: remove the"
            f" quotes (docker's --env-file keeps them)."
        )
    scheme, colon, rest = text.partition("://")
    if not (colon and re.fullmatch(r"[A-Za-z][\w+.-]*", scheme)) or not text.isprintable():
        raise _malformed(source)
    _check_backend(scheme, source)
    userinfo = _USERINFO.match(rest)
    tail = rest[userinfo.end() :] if userinfo else rest
    if "@" in tail:
        # SQLAlchemy would take the end of the password for the host, and everyone print it.
        raise UsageError(
            f"{source} has an @ too many, or a / in the role's name. In a role, a password or a"
            f" parameter write %40 for @, %2F for / and %3A for a colon. The form is {_FORM}"
        )
    authority = re.split(r"[/?]", tail, maxsplit=1)[0]
    several: dict[str, str] = {}
    if "," in authority:  # libpq's list of hosts, which SQLAlchemy takes as parameters
        several = _several_hosts(authority, source)
        text = text[: len(text) - len(tail)] + tail[len(authority) :]
    try:
        url = make_url(text).update_query_dict(several)
    except (ArgumentError, TypeError, ValueError):
        raise _malformed(source) from None  # those errors quote what they could not read
    if _DECODES_NAME or not url.database:
        return url
    return url.set(database=unquote(url.database))


def _several_hosts(authority: str, source: str) -> dict[str, str]:
    each = [_HOST.fullmatch(part) for part in authority.split(",")]
    found = [match for match in each if match]
    if len(found) < len(each):
        raise _malformed(source)
    hosts = ",".join(match["v6"] or match["name"] for match in found)
    ports = ",".join(match["port"] or "" for match in found)
    return {"host": hosts, "port": ports} if ports.strip(",") else {"host": hosts}


def _malformed(source: str) -> UsageError:
    return UsageError(
        f"{source} cannot be read as a URL. (It is not shown: it may hold a password.) The form"
        f" is {_FORM}; the port is a number, and special characters in a password are"
        f" percent-encoded: %40 for @, %2F for /, %3A for a colon, %25 for %."
    )


def _check_backend(drivername: str, source: str) -> None:
    backend = drivername.lower().partition("+")[0]
    if backend not in {"postgres", "postgresql"}:
        raise UsageError(
            f"{source} is a URL for {backend}, but bridge works with PostgreSQL only."
            f" The form is {_FORM}"
        )


def _check_address(url: URL, source: str) -> None:
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise _malformed(source)
    try:
        parameters = connection_parameters(url)
    except (ArgumentError, TypeError, ValueError):
        raise UsageError(
            f"{source} has hosts or ports that cannot be read. Write several hosts like this: "
            "postgresql://role:password@first:5432,second:5432/database"
        ) from None
    if any("\0" in value for value in parameters.values()):
        raise _malformed(source)
    # An abstract socket begins with @; anywhere else it ends a password that strayed here.
    if "@" in parameters.get("host", "")[1:]:
        raise UsageError(
            f"{source} has an @ in its host. A role and a password go before the host: {_FORM}"
        )


def _translated(query: Query, source: str) -> dict[str, str | tuple[str, ...]]:
    """Rename the parameters of other drivers to libpq's, and leave out what only tunes them."""
    kept = {name: value for name, value in query.items() if name not in _OTHER_DRIVERS}
    for name, rename in (("ssl", _sslmode), ("timeout", _timeout), ("unix_sock", _socket)):
        if name in kept:
            libpq_name, value = rename(str(kept.pop(name)), source)
            kept.setdefault(libpq_name, value)
    if "database" in kept:
        kept.setdefault("dbname", kept.pop("database"))
    return kept


def _sslmode(value: str, source: str) -> tuple[str, str]:
    mode = _SSL_WORDS.get(value.lower(), value.lower())
    if mode not in _SSLMODES:
        raise UsageError(
            f"{source} has a parameter ssl that is not one of {', '.join(sorted(_SSLMODES))}."
        )
    return "sslmode", mode


def _timeout(value: str, source: str) -> tuple[str, str]:
    try:
        return "connect_timeout", str(math.ceil(float(value)))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{source} has a parameter timeout that is not a number of seconds."
        ) from None


def _socket(value: str, source: str) -> tuple[str, str]:
    # pg8000 names the socket's file; libpq its folder, and it makes the name from the port.
    del source
    return "host", posixpath.dirname(value)
