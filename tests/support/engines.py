"""Engines as teams make them: what each is, and what a file then sees."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import connect, extensions
from psycopg2.extras import DictConnection, DictCursor
from psycopg2.pool import ThreadedConnectionPool
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import (
    AssertionPool,
    NullPool,
    QueuePool,
    SingletonThreadPool,
    StaticPool,
)

from support.handed_in import Place

Make = Callable[[Place], Engine]

#: Each with what a file sees on it, beside what it always sees.
ENGINES: dict[str, tuple[Make, dict[str, Any]]] = {}

TEN = {"schema": "ten", "search_path": "ten"}
ACME = {"tenant": "acme"}
#: What says so to the server, as an option of libpq.
OPTIONS = "-c app.tenant=acme"


def engine(**sees: Any) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        ENGINES[make.__name__] = (make, sees)
        return make

    return add


class OwnConnection(extensions.connection):  # type: ignore[misc] # psycopg2 ships no types
    """A team's own."""

    ours = "own "


class OwnPool(QueuePool):
    """A team's own pool, which can be made anew as every pool can."""


@engine()
def plain(place: Place) -> Engine:
    return create_engine(place.url)


@engine(**TEN, **ACME)
def connect_args(place: Place) -> Engine:
    arguments = {"options": f"{OPTIONS} -c search_path=ten"}
    return create_engine(place.url, connect_args=arguments)


@engine(**ACME)
def query_of_the_url(place: Place) -> Engine:
    return create_engine(place.url.update_query_dict({"options": OPTIONS}))


@engine(**ACME)
def creator(place: Place) -> Engine:
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(place.dsn, options=OPTIONS),
    )


@engine(**ACME)
def creator_that_imported_connect(place: Place) -> Engine:
    return create_engine(
        "postgresql+psycopg2://", creator=lambda: connect(place.dsn, options=OPTIONS)
    )


@engine(**ACME)
def creator_in_a_thread(place: Place) -> Engine:
    def create() -> Any:
        made: list[Any] = []
        thread = threading.Thread(
            target=lambda: made.append(psycopg2.connect(place.dsn, options=OPTIONS))
        )
        thread.start()
        thread.join()
        return made[0]

    return create_engine("postgresql+psycopg2://", creator=create)


@engine(**ACME)
def creator_that_takes_from_a_pool(place: Place) -> Engine:
    pool = ThreadedConnectionPool(1, 5, place.dsn, options=OPTIONS)
    return create_engine("postgresql+psycopg2://", creator=pool.getconn)


@engine(**ACME)
def creator_that_gives_one_it_keeps(place: Place) -> Engine:
    kept = psycopg2.connect(place.dsn, options=OPTIONS)
    return create_engine("postgresql+psycopg2://", creator=lambda: kept, poolclass=StaticPool)


@engine(kind="own tuple")
def connection_factory(place: Place) -> Engine:
    return create_engine(place.url, connect_args={"connection_factory": OwnConnection})


@engine(kind="DictRow")
def connection_factory_of_the_drivers(place: Place) -> Engine:
    return create_engine(place.url, connect_args={"connection_factory": DictConnection})


@engine(kind="DictRow")
def cursor_factory(place: Place) -> Engine:
    return create_engine(place.url, connect_args={"cursor_factory": DictCursor})


@engine(**ACME)
def do_connect_that_changes_arguments(place: Place) -> Engine:
    engine = create_engine(place.url.set(username="nobody_of_this_name"))

    @event.listens_for(engine, "do_connect")
    def token(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["user"] = place.url.username
        parameters["options"] = OPTIONS

    return engine


@engine(**ACME)
def do_connect_that_connects(place: Place) -> Engine:
    engine = create_engine(place.url)

    @event.listens_for(engine, "do_connect")
    def connects(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return psycopg2.connect(*arguments, **parameters, options=OPTIONS)

    return engine


@engine(**TEN, role=True)
def connect_that_sets_role_and_search_path(place: Place) -> Engine:
    return _listening(
        create_engine(place.url), "connect", f"SET ROLE {place.role}; SET search_path = ten"
    )


@engine(**TEN)
def first_connect_and_connect(place: Place) -> Engine:
    engine = create_engine(place.url)
    _listening(engine, "first_connect", "SELECT 1")
    return _listening(engine, "connect", "SET search_path = ten")


@engine(**TEN)
def checkout_that_sets_search_path(place: Place) -> Engine:
    return _listening(create_engine(place.url), "checkout", "SET search_path = ten")


@engine(**TEN)
def begin_that_sets_search_path(place: Place) -> Engine:
    engine = create_engine(place.url)

    @event.listens_for(engine, "begin")
    def begins(connection: Any) -> None:
        connection.exec_driver_sql("SET LOCAL search_path = ten")

    return engine


@engine(rewritten=True)
def statements_rewritten(place: Place) -> Engine:
    engine = create_engine(place.url)

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def rewrite(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        return f"/* ours */ {statement.lstrip()}", parameters

    return engine


@engine(made="ten")
def translated_schema(place: Place) -> Engine:
    return create_engine(place.url).execution_options(schema_translate_map={None: "ten"})


@engine(json='"written by ours"')
def json_serializer(place: Place) -> Engine:
    return create_engine(place.url, json_serializer=lambda _value: '"written by ours"')


@engine()
def isolation_autocommit(place: Place) -> Engine:
    return create_engine(place.url, isolation_level="AUTOCOMMIT")


@engine(isolation="serializable")
def isolation_serializable(place: Place) -> Engine:
    return create_engine(place.url, isolation_level="SERIALIZABLE")


@engine(isolation="repeatable read")
def isolation_as_an_option(place: Place) -> Engine:
    return create_engine(place.url).execution_options(isolation_level="REPEATABLE READ")


@engine()
def null_pool(place: Place) -> Engine:
    return create_engine(place.url, poolclass=NullPool)


@engine()
def static_pool(place: Place) -> Engine:
    return create_engine(place.url, poolclass=StaticPool)


@engine()
def singleton_thread_pool(place: Place) -> Engine:
    return create_engine(place.url, poolclass=SingletonThreadPool)


@engine()
def assertion_pool(place: Place) -> Engine:
    return create_engine(place.url, poolclass=AssertionPool)


@engine()
def pool_of_one(place: Place) -> Engine:
    return create_engine(place.url, pool_size=1, max_overflow=0, pool_timeout=0.2)


@engine()
def pool_of_one_that_is_taken(place: Place) -> Engine:
    engine = create_engine(place.url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    engine.pool._taken_by_the_application = engine.connect()  # type: ignore[attr-defined]
    return engine


@engine()
def pool_with_pings(place: Place) -> Engine:
    return create_engine(place.url, pool_pre_ping=True, pool_reset_on_return=None)


@engine(**ACME)
def pool_given(place: Place) -> Engine:
    pool = QueuePool(lambda: psycopg2.connect(place.dsn, options=OPTIONS), reset_on_return=None)
    return create_engine("postgresql+psycopg2://", pool=pool)


@engine()
def pool_class_of_its_own(place: Place) -> Engine:
    return create_engine(place.url, poolclass=OwnPool)


def _listening(engine: Engine, name: str, statement: str) -> Engine:
    """Have an Engine send this on each connection of the driver's, and commit it."""

    @event.listens_for(engine, name)
    def send(connection: Any, *_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.commit()

    return engine
