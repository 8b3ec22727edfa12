from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg2
import pytest
from sqlalchemy import text

import bridge
from bridge.database.database import Database
from bridge.database.engine import connect, make_engine, normalise
from bridge.errors import ServerUnreachable, UsageError
from bridge.reporting import events
from support.databases import connect as admin_connection
from support.project import Project
from support.tls import EXPIRED, KEY, LASTING, TlsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import URL


def open_and_ask(url: URL, sql: str) -> object:
    with connect(make_engine(url), Database(url, "DATABASE_URL")) as connection:
        return connection.execute(text(sql)).scalar_one()


def test_a_connection_reaches_the_database_that_was_described(database_url: URL) -> None:
    url = normalise(database_url)
    assert open_and_ask(url, "SELECT current_database()") == database_url.database
    assert f"database {database_url.database} on " in Database(url, "x").describe()


@pytest.mark.parametrize(
    "odd", ["a b", "a%41", "a@b", "a:b", "a/b", "a?b", "a#b", "a+b", "ä"], ids=ascii
)
def test_a_role_and_a_database_whose_names_need_encoding(
    database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    name, role = f"{database_url.database}{odd}", f"{database_url.database} {odd}"
    host = quote(str(database_url.query.get("host", database_url.host)), safe="")
    login = f"{quote(role, safe='')}:{quote(odd, safe='')}"
    url = f"postgresql://{login}@/{quote(name, safe='')}?host={host}&port={database_url.port}"
    project = Project.create(tmp_path / "project")
    who = "SELECT current_database() || ' ' || current_user AS who"
    body = f"from sqlalchemy import text; db.execute(text({f'CREATE TABLE t AS {who}'!r}))"
    project.write("001_who", f"def upgrade(db):\n    {body}\n")
    with closing(admin_connection(database_url)) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE ROLE \"{role}\" LOGIN SUPERUSER PASSWORD '{odd}'")
        cursor.execute(f'CREATE DATABASE "{name}"')
        try:
            bridge.upgrade(url, config=project.ini())
            monkeypatch.setenv("DATABASE_URL", url)
            assert bridge.status(config=project.ini()).pending == ()
            assert open_and_ask(normalise(url), "SELECT who FROM t") == f"{name} {role}"
        finally:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            cursor.execute(f'DROP ROLE "{role}"')


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


WAY = "the server does not authenticate in the way that was asked for"
TLS = "the server and this client do not agree about encryption"
SETTING = "the server refuses a setting with which the session would start"


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ({"channel_binding": "require", "sslmode": "disable"}, WAY),
        ({"require_auth": "gss"}, WAY),
        ({"sslmode": "prefer", "sslrootcert": "system"}, TLS),
        pytest.param(
            {"sslmode": "prefer", "sslnegotiation": "direct"},
            TLS,
            marks=pytest.mark.skipif(
                psycopg2.__libpq_version__ < 170000, reason="libpq has it since version 17"
            ),
        ),
        ({"options": "-cnowhere=1"}, SETTING),
        ({"options": "-cwork_mem=x"}, SETTING),
        ({"options": "-cwork_mem=1"}, SETTING),
        ({"options": "-cmax_connections=7"}, SETTING),
        ({"options": "-cwork_mem"}, SETTING),
        ({"options": "-Z"}, SETTING),
        ({"options": "-csession_preload_libraries=nowhere"}, SETTING),
        ({"replication": "bogus"}, SETTING),
        ({"client_encoding": "nope"}, SETTING),
        ({"client_encoding": "MULE_INTERNAL"}, SETTING),
        ({"keepalives": "x"}, "a parameter of the URL is not one that can be used"),
    ],
)
def test_what_the_server_or_libpq_will_never_take_is_final(
    database_url: URL, query: dict[str, str], fact: str
) -> None:
    url = normalise(database_url.update_query_dict(query))
    assert fact in refused_at_once(url)


def refused_at_once(url: URL) -> str:
    waits: list[events.WaitingForServer] = []
    with pytest.raises(UsageError) as caught:
        connect(
            make_engine(url),
            Database(url, "DATABASE_URL"),
            wait=60,
            tell=waits.append,
        )
    assert waits == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "fact"),
    [
        ("PGOPTIONS", "-cnowhere=1", SETTING),
        ("PGREQUIREAUTH", "gss", WAY),
        ("PGCHANNELBINDING", "nope", "a parameter of the URL is not one that can be used"),
        ("PGSERVICE", "nowhere", "the service that names the database"),
    ],
)
def test_a_variable_of_libpq_that_can_never_be_followed_is_final(
    database_url: URL, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, fact: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert fact in refused_at_once(normalise(database_url))


@pytest.mark.parametrize("text", ["[shop", "[shop]\nnonsense\n", "[shop]\nservice=other\n"])
def test_a_service_file_that_cannot_be_read_is_final(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = tmp_path / "services"
    file.write_text(text)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    url = normalise("postgresql:///?service=shop")
    assert "the service that names the database cannot be used" in refused_at_once(url)
    file.unlink()
    assert str(file) in refused_at_once(url)


@pytest.mark.skipif(sys.platform != "linux", reason="it becomes a user without a name")
def test_a_user_without_a_name_is_told_to_write_the_role_into_the_url() -> None:
    code = (
        "import os, sys\n"
        "from bridge.database.engine import Database, connect, make_engine, normalise\n"
        "from bridge.errors import UsageError\n"
        "url = normalise('postgresql://127.0.0.1:1/app')\n"
        "engine = make_engine(url)\n"
        "import psycopg2\n"
        "try:\n    os.setuid(61234)\n"
        "except PermissionError:\n    sys.exit(9)\n"
        "try:\n    connect(engine, Database(url, 'DATABASE_URL'), wait=60)\n"
        "except UsageError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    if done.returncode == 9:
        pytest.skip("only root can become another user")
    assert "no role is named, and the user that this process runs as has no name" in done.stdout
    assert "Write the role into the URL" in done.stdout


@pytest.fixture
def tls_server() -> Iterator[TlsServer]:
    with TlsServer() as server:
        yield server


@pytest.mark.parametrize(
    ("certificate", "trusted", "said"),
    [
        (EXPIRED, EXPIRED, "certificate verify failed"),
        (LASTING, EXPIRED, "certificate verify failed"),
        (LASTING, LASTING, 'does not match host name "127.0.0.1"'),
        (LASTING, "", "could not read root certificate file"),
    ],
    ids=["expired", "of an unknown authority", "of another host", "without an authority"],
)
def test_a_certificate_that_is_not_trusted_is_final(
    tls_server: TlsServer, tmp_path: Path, certificate: str, trusted: str, said: str
) -> None:
    root = tmp_path / "root.crt"
    root.write_text(trusted)
    tls_server.show(certificate)
    url = tls_server.url(sslmode="verify-full", sslrootcert=str(root))
    found = refused_at_once(normalise(url))
    assert TLS in found
    assert said in found


def test_a_key_that_others_may_read_is_final(tls_server: TlsServer, tmp_path: Path) -> None:
    own, key = tmp_path / "own.crt", tmp_path / "own.key"
    own.write_text(LASTING)
    key.write_text(KEY)
    key.chmod(0o644)
    tls_server.show(LASTING)
    url = tls_server.url(sslmode="require", sslcert=str(own), sslkey=str(key))
    found = refused_at_once(normalise(url))
    assert TLS in found
    assert "has group or world access" in found
