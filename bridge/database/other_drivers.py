"""Turn an engine of asyncpg or psycopg into the URL that psycopg2 connects to.

The address and the connect arguments that the engine has are put into a URL; what has no
counterpart there is refused, never left out. It connects to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine

from bridge.config.decoded import decoded
from bridge.database.database import Database
from bridge.database.driver_arguments import CannotBeCarriedOver, libpq_parameters
from bridge.database.url import DRIVER, normalise
from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variable that names the database where an engine cannot.
WAY_OUT = "MIGRATION_DATABASE_URL"


def address_of(engine: Engine, kind: str, environ: Mapping[str, str]) -> Database:
    """Return where an engine connects to, and how; `kind` is what a message calls it.

    Where MIGRATION_DATABASE_URL is set, that is the answer. Raises UsageError, which names that
    way out, for what cannot be carried over.
    """
    source = f"the {kind} that was handed in"
    if instead := environ.get(WAY_OUT, "").strip():
        url = normalise(decoded(instead, WAY_OUT), source=WAY_OUT)
        named = engine.url.database
        differs = f", which names the database {named}" if named != url.database else ""
        return Database(url, f"{WAY_OUT}, instead of {source}{differs}")
    try:
        parameters = libpq_parameters(engine.dialect.driver, _connect_arguments(engine))
    except CannotBeCarriedOver as error:
        raise UsageError(
            f"The {kind} that was handed in connects with {error}. bridge runs migrations on a "
            f"connection of psycopg2, which cannot use that. Nothing was done. Set {WAY_OUT} to "
            "the URL of the same database, or hand in a URL."
        ) from None
    first = {name: parameters.pop(name, None) for name in ("user", "password", "dbname")}
    url = URL.create(
        DRIVER, first["user"], first["password"], database=first["dbname"], query=parameters
    )
    return Database(normalise(url, source=source), source)


def _connect_arguments(engine: Engine) -> dict[str, Any]:
    """Return what the engine hands to its driver, without connecting.

    SQLAlchemy has no public way to ask: the arguments are variables of the function that
    ``create_engine`` makes for the pool (``connect`` in sqlalchemy/engine/create.py, the same in
    2.0 and 2.1). The public event ``do_connect`` would tell them as well, but a listener can only
    be added to the dialect that other threads connect with at that moment.
    """
    creator = engine.pool._creator  # noqa: SLF001 - see above
    code = getattr(creator, "__code__", None)
    cells = getattr(creator, "__closure__", None) or ()
    if code is None or creator.__module__ != "sqlalchemy.engine.create":
        raise CannotBeCarriedOver("a function of its own (creator or async_creator)")
    held = {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)}
    for listener in engine.dialect.dispatch.do_connect:
        name = f"{listener.__module__}.{getattr(listener, '__qualname__', listener)}"
        raise CannotBeCarriedOver(f"a listener of the event do_connect ({name})")
    try:
        return dict(held["cparams"])
    except (KeyError, TypeError, ValueError):
        raise CannotBeCarriedOver("arguments that this SQLAlchemy does not show") from None
