"""Translate the connect arguments of asyncpg and psycopg to libpq's names.

Data in, data out. An argument that only tunes the other driver is left out; one that decides
where a connection leads, as whom or how well it is protected is kept, or refused.
"""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from psycopg2 import ProgrammingError
from psycopg2.extensions import make_dsn, parse_dsn


class CannotBeCarriedOver(Exception):  # noqa: N818 - it is no error by itself
    """A connect argument that libpq has no counterpart for; its text says which, as a noun."""


#: They tune how the driver runs statements, or what its rows look like to the application.
#: ``command_timeout`` is among them: a migration may take longer than a query of the application.
_TUNES_ASYNCPG = frozenset(
    {
        *("loop", "record_class", "command_timeout", "statement_cache_size"),
        *("max_cached_statement_lifetime", "max_cacheable_statement_size"),
        *("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"),
    }
)
_TUNES_PSYCOPG = frozenset(
    {"autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory"}
)

_TEXT = (str, int, os.PathLike)


def libpq_parameters(driver: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Translate what is handed to the ``connect`` of this driver, as SQLAlchemy names it.

    Raises CannotBeCarriedOver, whose text never shows a value.
    """
    if driver == "asyncpg":
        parameters = _of_asyncpg(arguments)
    elif driver in {"psycopg", "psycopg_async"}:
        parameters = _of_psycopg(arguments)
    else:
        raise CannotBeCarriedOver(f"the driver {driver}")
    for name in parameters:
        if not _is_known(name):
            raise CannotBeCarriedOver(f"the connect argument {name}")
    return parameters


def _of_psycopg(arguments: Mapping[str, Any]) -> dict[str, str]:
    given = _without(arguments, _TUNES_PSYCOPG)
    conninfo = given.pop("conninfo", "")
    try:
        parameters = dict(parse_dsn(conninfo)) if conninfo else {}
    except (ProgrammingError, TypeError):
        raise CannotBeCarriedOver("the connect argument conninfo") from None
    return parameters | {name: _text(name, value) for name, value in given.items()}


def _of_asyncpg(arguments: Mapping[str, Any]) -> dict[str, str]:
    given = _without(arguments, _TUNES_ASYNCPG)
    parameters: dict[str, str] = {}
    for name, value in given.items():
        if name in _TRANSLATED:
            parameters |= _TRANSLATED[name](value)
        elif name in _SAME_IN_ASYNCPG:
            parameters[name] = _text(name, value)
        else:
            raise CannotBeCarriedOver(f"the connect argument {name}")
    return parameters


def _without(arguments: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    if arguments.get("async_creator_fn") is not None:
        raise CannotBeCarriedOver("a function of its own (async_creator_fn)")
    return {
        name: value
        for name, value in arguments.items()
        if value is not None and name not in left_out
    }


def _text(name: str, value: Any) -> str:
    if callable(value):
        raise CannotBeCarriedOver(f"a function for the connect argument {name}")
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, _TEXT):
        raise _wrong_type(name, value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _wrong_type(name: str, value: object) -> CannotBeCarriedOver:
    kind = type(value).__name__
    return CannotBeCarriedOver(f"a value of type {kind} for the connect argument {name}")


def _is_known(name: str) -> bool:
    """Return whether the libpq of psycopg2 has such a parameter."""
    try:
        make_dsn(**{name: "0"})
    except (ProgrammingError, TypeError):
        return False
    return True


def _listed(name: str) -> Callable[[Any], dict[str, str]]:
    def translate(value: Any) -> dict[str, str]:
        values = value if isinstance(value, list | tuple) else [value]
        return {name: ",".join(_text(name, each) for each in values)}

    return translate


def _timeout(value: Any) -> dict[str, str]:
    """Return the seconds to connect; libpq knows whole ones only."""
    if not isinstance(value, int | float):
        raise _wrong_type("timeout", value)
    return {"connect_timeout": str(math.ceil(value))}


def _ssl(value: Any) -> dict[str, str]:
    if isinstance(value, ssl.SSLContext):
        raise CannotBeCarriedOver("an ssl.SSLContext (the connect argument ssl)")
    if value is True:
        # asyncpg makes Python's default context of it, which verifies the server and its name
        # against the certificates of the system: anything less would be a silent downgrade.
        return {"sslmode": "verify-full", "sslrootcert": _system_certificates()}
    if value is False:
        return {"sslmode": "disable"}
    name = getattr(value, "name", value)  # asyncpg has an enumeration of the same modes
    if not isinstance(name, str):
        raise _wrong_type("ssl", value)
    return {"sslmode": name.replace("_", "-")}


def _system_certificates() -> str:
    return ssl.get_default_verify_paths().cafile or "system"


def _server_settings(value: Any) -> dict[str, str]:
    """Return the session's settings, which libpq sends as options of the server."""
    settings = {str(name): _text("server_settings", each) for name, each in dict(value).items()}
    parameters = {}
    if name := settings.pop("application_name", None):
        parameters["application_name"] = name
    options = [settings.pop("options", "")]
    options += [f"-c {name}={_escaped(each)}" for name, each in settings.items()]
    if text := " ".join(filter(None, options)):
        parameters["options"] = text
    return parameters


def _escaped(value: str) -> str:
    return "".join("\\" + each if each == "\\" or each.isspace() else each for each in value)


def _direct_tls(value: Any) -> dict[str, str]:
    if value:
        raise CannotBeCarriedOver("the connect argument direct_tls")
    return {}


#: They have the same name and meaning in libpq.
_SAME_IN_ASYNCPG = frozenset(
    {
        *("user", "password", "passfile", "service", "servicefile"),
        *("target_session_attrs", "krbsrvname", "gsslib"),
    }
)

_TRANSLATED: dict[str, Callable[[Any], dict[str, str]]] = {
    "host": _listed("host"),
    "port": _listed("port"),
    "database": lambda value: {"dbname": _text("database", value)},
    "timeout": _timeout,
    "ssl": _ssl,
    "server_settings": _server_settings,
    "direct_tls": _direct_tls,
}
