"""Connections as callers hand them in: what was done on each before, and what a file then sees."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self

import psycopg2
import wrapt
from psycopg2.extras import DictConnection
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool, StaticPool

from support.engines import ACME, OPTIONS, TEN, OwnConnection
from support.handed_in import Place

Open = Callable[[Place], AbstractContextManager[Connection]]

#: Each with what a file sees on it, beside what it always sees.
CONNECTIONS: dict[str, tuple[Open, dict[str, Any]]] = {}


def connection(**sees: Any) -> Callable[[Open], Open]:
    def add(open_it: Open) -> Open:
        CONNECTIONS[open_it.__name__] = (open_it, sees)
        return open_it

    return add


def prepared(place: Place, *statements: str, **options: Any) -> Connection:
    """A Connection on which these were sent and committed."""
    opened = create_engine(place.url, **{"poolclass": NullPool, **options}).connect()
    for statement in statements:
        opened.exec_driver_sql(statement)
    opened.commit()
    return opened


@connection()
def plain(place: Place) -> Connection:
    return prepared(place)


@connection(**TEN)
def search_path(place: Place) -> Connection:
    return prepared(place, "SET search_path = ten")


@connection(role=True)
def role(place: Place) -> Connection:
    return prepared(place, f"SET ROLE {place.role}")


@connection(**TEN, **ACME, role=True, temporary=True)
def everything_at_once(place: Place) -> Connection:
    return prepared(
        place,
        "SET search_path = ten",
        f"SET ROLE {place.role}",
        "SET application_name = 'mine'",
        "SET app.tenant = 'acme'",
        "CREATE TEMP TABLE mine (n int)",
    )


@connection(temporary=True)
def temporary_table(place: Place) -> Connection:
    return prepared(place, "CREATE TEMP TABLE mine (n int)")


@connection(tenant="acme")
def setting(place: Place) -> Connection:
    return prepared(place, "SELECT set_config('app.tenant', 'acme', false)")


@connection()
def holding_an_advisory_lock(place: Place) -> Connection:
    return prepared(place, "SELECT pg_advisory_lock(7, 7)")


@connection()
def listening_with_a_held_cursor(place: Place) -> Connection:
    return prepared(
        place, "LISTEN heard", "DECLARE held CURSOR WITH HOLD FOR SELECT 1", "PREPARE p AS SELECT 1"
    )


@connection()
def autocommit(place: Place) -> Connection:
    return prepared(place).execution_options(isolation_level="AUTOCOMMIT")


@connection(isolation="serializable")
def serializable(place: Place) -> Connection:
    return prepared(place).execution_options(isolation_level="SERIALIZABLE")


@connection(made="ten")
def translated_schema(place: Place) -> Connection:
    return prepared(place).execution_options(schema_translate_map={None: "ten"})


@connection()
def listener_of_the_connection_alone(place: Place) -> Connection:
    """It hears of what is sent over this object of SQLAlchemy's; a file's Session has others."""
    opened = prepared(place)

    @event.listens_for(opened, "before_cursor_execute", retval=True)
    def rewrite(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        return f"/* ours */ {statement.lstrip()}", parameters

    return opened


@connection(kind="own tuple")
def connection_factory(place: Place) -> Connection:
    return prepared(place, connect_args={"connection_factory": OwnConnection})


@connection(kind="DictRow")
def connection_factory_of_the_drivers(place: Place) -> Connection:
    return prepared(place, connect_args={"connection_factory": DictConnection})


@connection(**ACME)
def creator(place: Place) -> Connection:
    return prepared(place, creator=lambda: psycopg2.connect(place.dsn, options=OPTIONS))


@connection(**TEN)
def creator_that_gives_one_it_keeps(place: Place) -> Connection:
    kept = psycopg2.connect(place.dsn)
    return prepared(place, "SET search_path = ten", creator=lambda: kept, poolclass=StaticPool)


@connection()
def pool_of_one(place: Place) -> Connection:
    return prepared(place, poolclass=None, pool_size=1, max_overflow=0, pool_timeout=0.2)


@connection(**TEN)
def detached(place: Place) -> Connection:
    opened = prepared(place, "SET search_path = ten")
    opened.detach()
    return opened


@connection(json='"written by ours"')
def json_serializer(place: Place) -> Connection:
    return prepared(place, json_serializer=lambda _value: '"written by ours"')


class Traced(wrapt.ObjectProxy[Any]):
    """As a tracer puts it before the driver's connection: it says that it is one."""

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        return TracedCursor(self.__wrapped__.cursor(*arguments, **options))


class TracedCursor(wrapt.ObjectProxy[Any]):
    """And so is each of its cursors."""

    def __enter__(self) -> Self:
        self.__wrapped__.__enter__()
        return self


class Proxy:
    """Stands before the driver's connection, or a cursor, and says that it is something else."""

    def __init__(self, real: Any) -> None:
        vars(self)["real"] = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.real, name, value)

    def __enter__(self) -> Self:
        self.real.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.real.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self.real)

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        return Proxy(self.real.cursor(*arguments, **options))


def behind(opened: Connection, proxy: Callable[[Any], Any]) -> Connection:
    fairy: Any = opened.connection
    fairy.dbapi_connection = proxy(fairy.dbapi_connection)
    return opened


@connection(**TEN)
def traced(place: Place) -> Connection:
    return behind(prepared(place, "SET search_path = ten"), Traced)


@connection(kind="DictRow")
def traced_with_a_class_of_its_own(place: Place) -> Connection:
    opened = prepared(place, connect_args={"connection_factory": DictConnection})
    return behind(opened, Traced)


@connection(**TEN)
def behind_a_proxy(place: Place) -> Connection:
    return behind(prepared(place, "SET search_path = ten"), Proxy)
