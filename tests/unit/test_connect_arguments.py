"""What is handed to asyncpg and psycopg, by libpq's names; nothing is connected to."""

from __future__ import annotations

import functools
import ssl
import sys
from typing import Any

import psycopg2
import pytest
from asyncpg.connect_utils import SSLMode  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from bridge.database.database import Database
from bridge.database.driver_arguments import CannotBeCarriedOver, libpq_parameters
from bridge.database.handed_in import usable
from bridge.errors import UsageError

URL = "postgresql+asyncpg://app:secret@db.example:6432/shop"
WAY_OUT = (
    "bridge runs migrations on a connection of psycopg2, which cannot use that. Nothing was done. "
    "Set MIGRATION_DATABASE_URL to the URL of the same database, or hand in a URL."
)


OF_TYPE = "a value of type"


def asyncpg(**arguments: Any) -> dict[str, str]:
    return libpq_parameters("asyncpg", arguments)


def refusal(driver: str, **arguments: Any) -> str:
    with pytest.raises(CannotBeCarriedOver) as caught:
        libpq_parameters(driver, arguments)
    return str(caught.value)


# asyncpg


def test_an_address_of_asyncpg_is_one_of_libpq() -> None:
    address = {"host": "db", "port": 6432, "user": "app", "password": "p", "database": "shop"}
    assert asyncpg(**address) == {
        "host": "db",
        "port": "6432",
        "user": "app",
        "password": "p",
        "dbname": "shop",
    }
    assert asyncpg(host=["a", "b"], port=[1, 2]) == {"host": "a,b", "port": "1,2"}


def test_arguments_that_only_tune_asyncpg_are_left_out() -> None:
    assert (
        asyncpg(
            command_timeout=5,
            statement_cache_size=0,
            prepared_statement_cache_size=0,
            prepared_statement_name_func=lambda: "",
            max_cached_statement_lifetime=0,
            direct_tls=False,
            passfile=None,
        )
        == {}
    )


def test_seconds_to_connect_are_whole_ones_for_libpq() -> None:
    assert asyncpg(timeout=2.5) == {"connect_timeout": "3"}
    assert asyncpg(timeout=None) == {}


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("require", "require"),
        ("verify-full", "verify-full"),
        (SSLMode.verify_ca, "verify-ca"),
        (False, "disable"),
    ],
)
def test_the_modes_of_ssl_have_the_same_names(value: Any, mode: str) -> None:
    assert asyncpg(ssl=value) == {"sslmode": mode}


def test_ssl_true_verifies_the_server_as_asyncpg_does() -> None:
    parameters = asyncpg(ssl=True)
    assert parameters["sslmode"] == "verify-full"
    assert parameters["sslrootcert"] == (ssl.get_default_verify_paths().cafile or "system")


def test_server_settings_become_options() -> None:
    settings = {"application_name": "shop", "search_path": 'app, "a b"', "jit": "off"}
    assert asyncpg(server_settings=settings) == {
        "application_name": "shop",
        "options": '-c search_path=app,\\ "a\\ b" -c jit=off',
    }
    assert asyncpg(server_settings={}) == {}


def test_what_asyncpg_and_libpq_share_is_kept() -> None:
    shared = {"target_session_attrs": "read-write", "krbsrvname": "pg", "service": "shop"}
    assert asyncpg(**shared, passfile="/run/pgpass") == {**shared, "passfile": "/run/pgpass"}


def test_what_has_no_counterpart_is_named_and_its_value_is_not_shown() -> None:
    context = ssl.create_default_context()
    assert refusal("asyncpg", ssl=context) == "an ssl.SSLContext (the connect argument ssl)"
    assert refusal("asyncpg", ssl=3) == f"{OF_TYPE} int for the connect argument ssl"
    told = refusal("asyncpg", password=lambda: "secret")
    assert told == "a function for the connect argument password"
    told = refusal("asyncpg", password=functools.partial(str, "secret"))
    assert told == "a function for the connect argument password"
    assert refusal("asyncpg", connection_class=object) == "the connect argument connection_class"
    assert refusal("asyncpg", direct_tls=True) == "the connect argument direct_tls"
    assert refusal("asyncpg", dsn="secret") == "the connect argument dsn"
    assert refusal("asyncpg", async_creator_fn=print) == "a function of its own (async_creator_fn)"
    assert refusal("asyncpg", timeout="secret") == f"{OF_TYPE} str for the connect argument timeout"
    assert refusal("asyncpg", host=b"secret") == f"{OF_TYPE} bytes for the connect argument host"


# psycopg


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async"])
def test_the_arguments_of_psycopg_are_those_of_libpq(driver: str) -> None:
    kept = {"host": "db", "dbname": "shop", "options": "-c jit=off", "sslmode": "require"}
    given = {**kept, "port": 6432, "keepalives": True, "prepare_threshold": None}
    tuning = {"autocommit": True, "row_factory": print, "cursor_factory": print, "context": print}
    assert libpq_parameters(driver, {**given, **tuning, "prepare_threshold": 0}) == {
        **kept,
        "port": "6432",
        "keepalives": "1",
    }


def test_a_conninfo_is_read_and_its_arguments_win() -> None:
    given = {"conninfo": "host=db password='a b' port=1", "port": 2}
    found = libpq_parameters("psycopg", given)
    assert found == {"host": "db", "password": "a b", "port": "2"}
    assert refusal("psycopg", conninfo="secret") == "the connect argument conninfo"


def test_an_argument_that_this_libpq_does_not_know_is_refused() -> None:
    assert refusal("psycopg", shiny="secret") == "the connect argument shiny"


def test_another_driver_is_refused() -> None:
    assert refusal("pg8000", host="db") == "the driver pg8000"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_value_survives_in_libpqs_own_notation(value: str) -> None:
    parameters = libpq_parameters("psycopg", {"password": value})
    assert parse_dsn(make_dsn(**parameters)) == {"password": value}


# Engines


def described(given: object, **environ: str) -> Database:
    found = usable(given, environ=environ)
    assert isinstance(found, Database)
    return found


def refused(given: object) -> str:
    with pytest.raises(UsageError) as caught:
        usable(given, environ={})
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_an_async_engine_becomes_the_address_it_connects_to() -> None:
    engine = create_async_engine(
        URL + "?ssl=require", connect_args={"server_settings": {"search_path": "app"}}
    )
    found = described(engine)
    assert found.url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://app:secret@/shop?host=db.example&options=-c+search_path%3Dapp"
        "&port=6432&sslmode=require"
    )
    assert found.describe(environ={}) == (
        "database shop on db.example:6432 as app (from the AsyncEngine that was handed in)"
    )
    assert "secret" not in repr(found)


@pytest.mark.parametrize("make", [create_engine, create_async_engine])
def test_an_engine_of_psycopg_becomes_the_address_it_connects_to(make: Any) -> None:
    engine = make(URL.replace("asyncpg", "psycopg"), connect_args={"connect_timeout": 3})
    kind = type(engine).__name__
    found = described(engine)
    _, parameters = create_engine(found.url).dialect.create_connect_args(found.url)
    assert parameters == {
        "host": "db.example",
        "port": "6432",
        "user": "app",
        "password": "secret",
        "dbname": "shop",
        "connect_timeout": "3",
    }
    assert found.source == f"the {kind} that was handed in"


def test_several_hosts_and_a_socket_stay_what_they_are() -> None:
    several = create_async_engine("postgresql+asyncpg://app@/shop?host=a:1&host=b:2")
    assert described(several).describe(environ={}).startswith("database shop on a:1, b:2 as app")
    socket = create_async_engine("postgresql+asyncpg://app@/shop?host=/run/pg")
    told = described(socket).describe(environ={})
    assert told.startswith("database shop on the socket in /run/pg, port 5432 as app")


def test_an_engine_without_any_address_leaves_it_to_libpq_too() -> None:
    found = described(create_engine("postgresql+psycopg://"))
    assert found.url.render_as_string() == "postgresql+psycopg2://"


def test_an_engine_of_psycopg2_and_a_url_are_left_as_they_are() -> None:
    engine = create_engine("postgresql+psycopg2://db/shop", creator=psycopg2.connect)
    assert usable(engine, environ={"MIGRATION_DATABASE_URL": "postgresql://x/y"}) is engine
    assert usable("postgresql://db/shop") == "postgresql://db/shop"
    assert usable(None) is None


def test_the_variable_is_the_way_out_that_a_refusal_names() -> None:
    engine = create_async_engine(URL, connect_args={"ssl": ssl.create_default_context()})
    assert refused(engine) == (
        "The AsyncEngine that was handed in connects with an ssl.SSLContext (the connect argument "
        f"ssl). {WAY_OUT}"
    )
    found = described(engine, MIGRATION_DATABASE_URL="postgres://owner:secret@direct/shop")
    assert found.describe(environ={}) == (
        "database shop on direct:5432 as owner (from MIGRATION_DATABASE_URL, instead of the "
        "AsyncEngine that was handed in)"
    )
    found = described(engine, MIGRATION_DATABASE_URL="postgres://direct/other")
    assert found.source.endswith("that was handed in, which names the database shop")
    assert refused(engine) == refused(engine)


def test_a_creator_and_a_listener_are_refused_without_being_called() -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    own = "connects with a function of its own (creator or async_creator). " + WAY_OUT
    engine = create_async_engine(URL, async_creator=never)
    assert refused(engine) == f"The AsyncEngine that was handed in {own}"
    psycopg = create_engine(URL.replace("asyncpg", "psycopg"), creator=never)
    assert refused(psycopg) == f"The Engine that was handed in {own}"

    listened = create_async_engine(URL)
    event.listen(listened.sync_engine, "do_connect", never)
    told = refused(listened)
    assert "connects with a listener of the event do_connect (" in told
    assert "never). bridge runs" in told
    assert told.endswith(WAY_OUT)


def test_what_is_no_engine_is_refused_with_what_to_hand_in() -> None:
    engine = create_async_engine(URL)
    made = "bridge makes connections of its own for the migrations. Nothing was done. Hand in "
    session = AsyncSession(engine)
    assert refused(session) == (
        f"An AsyncSession was handed in; {made}its AsyncEngine, session.bind, or the URL."
    )
    assert refused(engine.connect()) == (
        f"An AsyncConnection was handed in; {made}its AsyncEngine, connection.engine, or the URL."
    )
    assert refused(async_sessionmaker(engine)).startswith("An async_sessionmaker was handed in;")
    assert refused(Session(create_engine("postgresql+psycopg2://"))) == (
        f"A Session was handed in; {made}its Engine, session.get_bind(), or the URL."
    )
    assert refused(sessionmaker()).startswith("A sessionmaker was handed in;")
    assert refused(42) == (
        "The database handed in is of type int; bridge takes a URL, or an Engine, an AsyncEngine "
        "or a Connection of SQLAlchemy's."
    )


def test_another_database_is_refused_whatever_the_variable_says() -> None:
    environ = {"MIGRATION_DATABASE_URL": "postgresql://db/shop"}
    with pytest.raises(UsageError) as caught:
        usable(create_engine("sqlite://"), environ=environ)
    assert str(caught.value) == (
        "The connection handed in speaks sqlite; bridge supports PostgreSQL only."
    )


def test_the_asynchronous_part_of_sqlalchemy_is_not_imported_for_the_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "sqlalchemy.ext.asyncio")
    assert "of type int" in refused(42)
    assert "sqlalchemy.ext.asyncio" not in sys.modules
