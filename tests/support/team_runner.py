"""Runners of other teams: each gives the function of a file something else than a Session."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import URL


@contextmanager
def _connection(url: URL) -> Iterator[Any]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
        connection.commit()


@contextmanager
def _engine(url: URL) -> Iterator[Any]:
    engine = create_engine(url, poolclass=NullPool)
    yield engine
    engine.dispose()


@contextmanager
def _dbapi(url: URL) -> Iterator[Any]:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(plain)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


@contextmanager
def _cursor(url: URL) -> Iterator[Any]:
    with _dbapi(url) as connection, connection.cursor() as cursor:
        yield cursor


GIVES: dict[str, Callable[[URL], AbstractContextManager[Any]]] = {
    "connection": _connection,
    "engine": _engine,
    "dbapi": _dbapi,
    "cursor": _cursor,
}


def run_as_its_team(url: URL, argument: str, source: str) -> BaseException | None:
    """Run `upgrade` of this text as its own team's runner does; returns what it raises."""
    module: dict[str, Any] = {"__name__": "its_migration"}
    exec(compile(source, "its_migration.py", "exec"), module)
    try:
        with GIVES[argument](url) as given:
            module["upgrade"](given)
    except Exception as error:  # noqa: BLE001 - whatever a file raises
        # Its frames hold the connections that the file has left open.
        return error.with_traceback(None)
    finally:
        gc.collect()  # closes what a file has left open
    return None
