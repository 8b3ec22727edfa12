from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bridge.database import Database, connect, make_engine, normalise
from bridge.errors import ServerUnreachable, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL


def open_and_ask(url: URL, sql: str) -> object:
    with connect(make_engine(url), Database(url, "DATABASE_URL")) as connection:
        return connection.execute(text(sql)).scalar_one()


def test_a_connection_reaches_the_database_that_was_described(database_url: URL) -> None:
    url = normalise(database_url)
    assert open_and_ask(url, "SELECT current_database()") == database_url.database
    assert f"database {database_url.database} on " in Database(url, "x").describe()


def test_the_url_of_an_async_driver_connects(database_url: URL) -> None:
    url = database_url.set(drivername="postgresql+asyncpg").update_query_dict(
        {"ssl": "prefer", "prepared_statement_cache_size": "0", "timeout": "5"}
    )
    text_form = url.render_as_string(hide_password=False)
    assert open_and_ask(normalise(text_form), "SELECT 1") == 1


@pytest.mark.parametrize(
    ("query", "environ", "expected"),
    [
        ({}, None, "bridge"),
        ({}, "from-the-environment", "from-the-environment"),
        ({"application_name": "from-the-url"}, "from-the-environment", "from-the-url"),
    ],
)
def test_a_connection_is_named_bridge_unless_somebody_named_it(
    database_url: URL,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    environ: str | None,
    expected: str,
) -> None:
    if environ:
        monkeypatch.setenv("PGAPPNAME", environ)
    url = normalise(database_url.update_query_dict(query))
    assert open_and_ask(url, "SHOW application_name") == expected


def test_a_database_that_does_not_exist_is_final(database_url: URL) -> None:
    url = normalise(database_url.set(database="nowhere_zq"))
    with pytest.raises(UsageError) as caught:
        connect(make_engine(url), Database(url, "DATABASE_URL"), wait=60)
    found = str(caught.value)
    assert found.startswith("No connection to database nowhere_zq on ")
    assert (
        "(from DATABASE_URL): the database does not exist on that server. Check the database's"
        " name in the URL, or create it with createdb.\nThe driver says: " in found
    )
    assert found.endswith('FATAL:  database "nowhere_zq" does not exist')


def test_a_role_that_does_not_exist_is_final(database_url: URL) -> None:
    url = normalise(database_url.set(username="nobody_zq", password="Zq7secret"))
    with pytest.raises(UsageError) as caught:
        connect(make_engine(url), Database(url, "DATABASE_URL"), wait=60)
    assert " as nobody_zq (from DATABASE_URL): " in str(caught.value)
    assert "Zq7secret" not in str(caught.value)


def test_a_role_that_may_not_log_in_is_final(database_url: URL) -> None:
    role = f"{database_url.database}_nologin"
    with connect(make_engine(database_url), Database(database_url, "x")) as admin:
        admin.execute(text(f'CREATE ROLE "{role}" NOLOGIN'))
        admin.commit()
        try:
            url = normalise(database_url.set(username=role))
            with pytest.raises(UsageError) as caught:
                connect(make_engine(url), Database(url, "DATABASE_URL"), wait=60)
        finally:
            admin.execute(text(f'DROP ROLE "{role}"'))
            admin.commit()
    assert role in str(caught.value)


def test_a_role_that_takes_no_more_connections_may_take_them_later(database_url: URL) -> None:
    """As a full server may."""
    role = f"{database_url.database}_full"
    with connect(make_engine(database_url), Database(database_url, "x")) as admin:
        admin.execute(text(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'pw' CONNECTION LIMIT 0"))
        admin.commit()
        try:
            url = normalise(database_url.set(username=role, password="pw"))
            with pytest.raises(ServerUnreachable) as caught:
                connect(make_engine(url), Database(url, "DATABASE_URL"))
        finally:
            admin.execute(text(f'DROP ROLE "{role}"'))
            admin.commit()
    assert "this role has all the connections that it may have" in str(caught.value)


def test_a_socket_that_is_not_there_may_come(tmp_path: Path) -> None:
    url = normalise(f"postgresql:///app?host={tmp_path}")
    with pytest.raises(ServerUnreachable, match="nothing listens there") as caught:
        connect(make_engine(url), Database(url, "DATABASE_URL"))
    assert f"database app on the socket in {tmp_path}, port 5432" in str(caught.value)


def test_what_is_not_postgresql_is_final() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1024)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=answer)
        server.start()
        url = normalise(f"postgresql://127.0.0.1:{listener.getsockname()[1]}/app")
        with pytest.raises(UsageError, match="what answers there is not a PostgreSQL server"):
            connect(make_engine(url), Database(url, "DATABASE_URL"), wait=60)
        server.join()
