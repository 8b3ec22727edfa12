"""A connection for the migrations alone, also where an Engine or a Connection was handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.base import OptionEngine

from bridge.database.driver import DriverConnection, StandIn
from bridge.database.driver_class import asking

if TYPE_CHECKING:
    from sqlalchemy.pool import Pool


#: Whether what runs here, or is waited for here in a thread of ours, asks for such connections.
_is_asked: ContextVar[bool] = ContextVar("bridge_asks_for_guardable", default=False)


class Beside(OptionEngine):
    """An Engine with the listeners, the options and the dialect of another, and its own pool.

    `options` are execution options beyond those.
    """

    pool: Any = None

    def __init__(
        self, engine: Engine, pool: Pool, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(engine, {**(options or {})})
        self.pool = pool


@contextmanager
def beside(
    engine: Engine, at_connect: Callable[[Any, Any], None] | None = None
) -> Iterator[Engine]:
    """Yield an Engine that connects as this one does, and takes no connection from its pool.

    What psycopg2 makes in this thread meanwhile can be guarded. `at_connect` listens to the pool.
    """
    try:
        pool = engine.pool.recreate()
    except Exception:  # noqa: BLE001 - of a class of the caller's own, which can only be used
        yield engine
        return
    event.listen(pool, "connect", _keep_open)
    if at_connect is not None:
        event.listen(pool, "connect", at_connect)
    try:
        yield Beside(engine, pool)
    finally:
        pool.dispose()


class Lent(StandIn):
    """A connection that somebody else goes on to use, or may."""

    def close(self) -> None:
        """Undo what nobody has committed, and leave it to its owner."""
        self.rollback()


def _keep_open(driver: Any, record: Any) -> None:
    # One that a function of the caller's has given; without an owner it ends with its last name.
    if not isinstance(driver, DriverConnection):
        record.dbapi_connection = Lent(driver)


@contextmanager
def made_guardable() -> Iterator[None]:
    """Ask psycopg2 for connections that can be guarded, in this thread."""
    token = _is_asked.set(True)
    try:
        with asking(lambda: DriverConnection if _is_asked.get() else None):
            yield
    finally:
        _is_asked.reset(token)


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
