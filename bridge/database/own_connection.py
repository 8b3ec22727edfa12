"""A connection for the migrations alone, also where an Engine or a Connection was handed in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.base import OptionEngine

from bridge.database.driver import DriverConnection, StandIn
from bridge.database.driver_class import asking

if TYPE_CHECKING:
    from sqlalchemy.pool import Pool


class Beside(OptionEngine):
    """An Engine with the listeners, the options and the dialect of another, and its own pool."""

    pool: Any = None

    def __init__(self, engine: Engine, pool: Pool) -> None:
        super().__init__(engine, {})
        self.pool = pool


@contextmanager
def beside(engine: Engine) -> Iterator[Engine]:
    """Yield an Engine that connects as this one does, and takes no connection from its pool.

    What psycopg2 makes in this thread meanwhile can be guarded.
    """
    pool = engine.pool.recreate()
    try:
        yield Beside(engine, pool)
    finally:
        pool.dispose()


@contextmanager
def made_guardable() -> Iterator[None]:
    """Ask psycopg2 for connections that can be guarded, in this thread."""
    ours = threading.get_ident()

    def asked() -> Callable[..., Any] | None:
        return DriverConnection if threading.get_ident() == ours else None

    with asking(asked):
        yield


@contextmanager
def guardable(connection: Connection) -> Iterator[None]:
    """Have this very connection guardable for the block, whoever has made it."""
    fairy: Any = connection.connection
    driver: Any = fairy.dbapi_connection
    if isinstance(driver, DriverConnection | StandIn):
        yield
        return
    fairy.dbapi_connection = StandIn(driver)
    try:
        yield
    finally:
        if not (connection.closed or connection.invalidated):
            fairy.dbapi_connection = driver
