"""Read an ordinary database URL without SQLAlchemy: most starts need no more.

It connects to nothing. Whatever is out of the ordinary is left to `bridge.database.url`, with
which this must agree: to be told nothing costs time, to be told something else would be another
database.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

#: A role, a password, one host and a port, a database; parameters apart. What is not plain here
#: (lists of hosts, IPv6, encoded hosts, an @ too many) is not read.
_PLAIN = re.compile(
    r"postgres(?:ql)?(?:\+(?:psycopg2|psycopg|psycopg_async|asyncpg))?://"
    r"(?:(?P<user>(?:[\w.~-]|%[2-7][0-9A-Fa-f])+)"
    r"(?::(?P<password>(?:[\w.~!$*()+,;^-]|%[2-7][0-9A-Fa-f])*))?@)?"
    r"(?P<host>[A-Za-z0-9._-]+)?(?::(?P<port>[1-9]\d{0,4}))?"
    r"(?:/(?P<dbname>[\w.-]+))?"
    r"(?:\?(?P<query>(?:[\w.~/=&-]|%2[Ff])*))?",
    re.ASCII,
)

#: Parameters that libpq reads under these names, and that mean the same with every driver.
_SAME = frozenset(
    {
        *("host", "application_name", "connect_timeout", "sslmode", "sslrootcert", "sslcert"),
        *("sslkey", "target_session_attrs", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "keepalives_count", "tcp_user_timeout"),
    }
)


def plain_parameters(url: str) -> dict[str, str] | None:
    """Return the parameters for libpq, by its names; None for a URL that is not plain.

    It never raises, and shows nothing: what is wrong with a URL is said elsewhere.
    """
    match = _PLAIN.fullmatch(url)
    if match is None:
        return None
    parameters = {name: value for name, value in match.groupdict().items() if value}
    for pair in filter(None, parameters.pop("query", "").split("&")):
        name, equals, value = pair.partition("=")
        if not (equals and value) or name not in _SAME or name in parameters:
            return None
        parameters[name] = unquote(value)
    for name in ("user", "password"):
        if name in parameters:
            parameters[name] = unquote(parameters[name])
    return parameters
