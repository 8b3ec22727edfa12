from __future__ import annotations

import socket
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from bridge.config.settings import Settings
from bridge.database import engine as opening
from bridge.database.database import Database
from bridge.database.driver import DriverConnection
from bridge.database.engine import (
    EmbeddedChoice,
    connect,
    explain_connect_error,
    make_engine,
    normalise,
    resolve,
)
from bridge.database.url import connection_parameters, rendered
from bridge.errors import BridgeError, ServerUnreachable, UsageError
from bridge.reporting import events

if TYPE_CHECKING:
    from collections.abc import Callable

FORM = "postgresql://role:password@host:5432/database"
MALFORMED = (
    "DATABASE_URL cannot be read as a URL. (It is not shown: it may hold a password.) The form"
    f" is {FORM}; the port is a number, and special characters in a password are"
    " percent-encoded: %40 for @, %2F for /, %3A for a colon, %25 for %."
)
TOO_MANY_AT = (
    "DATABASE_URL has an @ too many, or a / in the role's name. In a role, a password or a"
    " parameter write %40 for @, %2F for / and %3A for a colon."
    f" The form is {FORM}"
)
RUN_AGAIN = "Run again, or let it wait with --wait-for-server 60."

#: Any character that can stand in a name of PostgreSQL.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
#: SQLAlchemy writes a blank as it is, and one at the end of a URL is taken for a slip.
databases = words.filter(lambda name: not name.endswith(" "))

#: Both ends of a password: neither may be seen, whatever stands between them.
MARK = "Zq7"


def text_of(refused: Callable[[], object]) -> str:
    with pytest.raises(UsageError) as caught:
        refused()
    return str(caught.value)


def refusal(url: str) -> str:
    return text_of(lambda: normalise(url, source="DATABASE_URL"))


def described(url: str | URL, **environ: str) -> str:
    return Database(normalise(url), "DATABASE_URL").describe(environ=environ)


def libpq_error(text: str, *, kind: type[Exception] = psycopg2.OperationalError) -> Any:
    return OperationalError(None, None, kind(text))


def explained(text: str, url: str = "postgresql://deploy:pw@db.example/app") -> BridgeError:
    return explain_connect_error(libpq_error(text), Database(normalise(url), "DATABASE_URL"))


# One form for all URLs


@pytest.mark.parametrize(
    "scheme",
    [
        *("postgres", "postgresql", "POSTGRES", "postgresql+psycopg2", "postgresql+asyncpg"),
        *("postgresql+psycopg", "postgresql+psycopg_async", "postgresql+pg8000"),
        *("postgres+asyncpg", "postgresql+psycopg2cffi"),
    ],
)
def test_every_driver_of_postgresql_becomes_psycopg2(scheme: str) -> None:
    url = normalise(f"{scheme}://deploy:pw@db.example:6432/app?sslmode=require")
    expected = "postgresql+psycopg2://deploy:pw@db.example:6432/app?sslmode=require"
    assert url.render_as_string(hide_password=False) == expected


@given(user=words, password=words, database=databases, port=st.integers(1, 65535))
def test_normalise_keeps_role_password_host_port_and_database(
    user: str, password: str, database: str, port: int
) -> None:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    url = normalise(f"postgres://{login}@db.example:{port}/{quote(database, safe='')}")
    assert (url.username, url.password, url.host) == (user, password, "db.example")
    assert (url.port, url.database) == (port, database)
    assert normalise(url) == url
    assert normalise(rendered(url)) == url
    assert parse_dsn(rendered(url.set(drivername="postgresql")))["dbname"] == database


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ssl=require", {"sslmode": "require"}),
        ("ssl=verify-full", {"sslmode": "verify-full"}),
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=False", {"sslmode": "disable"}),
        ("ssl=require&sslmode=verify-ca", {"sslmode": "verify-ca"}),
        ("timeout=2.5", {"connect_timeout": "3"}),
        ("prepared_statement_cache_size=0&statement_cache_size=0&command_timeout=5", {}),
        ("prepare_threshold=0", {}),
        ("unix_sock=/tmp/pg/.s.PGSQL.5432", {"host": "/tmp/pg"}),
        ("service=shop", {"service": "shop"}),
        ("options=-csearch_path%3Dx", {"options": "-csearch_path=x"}),
    ],
)
def test_parameters_of_other_drivers_are_mapped_or_dropped(
    query: str, expected: dict[str, str]
) -> None:
    assert dict(normalise(f"postgresql+asyncpg:///app?{query}").query) == expected


def test_role_password_and_database_among_the_parameters_are_moved_to_their_places() -> None:
    url = normalise("postgresql://h/x?user=deploy&password=pw&database=app")
    assert str(url) == "postgresql+psycopg2://deploy:***@h/app"


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://h1:5432,h2:5433/app", "h1,h2", "5432,5433"),
        ("postgresql://u:p@h1,h2/app", "h1,h2", ","),
        ("postgresql://[::1]:5432,h2/app", "::1,h2", "5432,"),
        ("postgresql:///app?host=h1:5432&host=h2:5433", "h1,h2", "5432,5433"),
        ("postgresql://%2Ftmp%2Fpg/app", "/tmp/pg", None),
        ("postgresql://[::1]:5433/app", "::1", "5433"),
    ],
)
def test_hosts_as_libpq_writes_them_are_understood(url: str, host: str, port: str | None) -> None:
    given_to_libpq = connection_parameters(normalise(url))
    assert (given_to_libpq["host"], given_to_libpq.get("port")) == (host, port)
    assert given_to_libpq["dbname"] == "app"


def test_white_space_around_a_url_is_not_part_of_it() -> None:
    assert normalise(" postgresql://h/app\n").database == "app"


@pytest.mark.parametrize("url", ["sqlite:///app.db", "mysql+pymysql://u:pw@h/db", "oracle://h"])
def test_another_database_is_refused(url: str) -> None:
    backend = url.partition(":")[0].partition("+")[0]
    assert refusal(url) == (
        f"DATABASE_URL is a URL for {backend}, but bridge works with PostgreSQL only."
        f" The form is {FORM}"
    )


def test_a_url_object_for_another_database_is_refused_too() -> None:
    assert "is a URL for sqlite" in text_of(lambda: normalise(URL.create("sqlite")))


@pytest.mark.parametrize(
    "url",
    [
        *("app", "u:pw@h/db", "//u:pw@h/db", "postgresql:/u:pw@h/db", "://u:pw@h/db"),
        *("postgresql://u:pw@h:port/db", "postgresql://u:pw@h:70000/db", "postgresql://h:0/db"),
        *("postgresql://u:pw@h\n/db", "postgresql://u:p%00w@h/db", "postgresql://h1:x,h2/db"),
        *("postgresql://h:99999,h2:5432:1/db", "jdbc:postgresql://h/db"),
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    assert refusal(url) == MALFORMED


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://u:p@ss@h/db", "postgresql://u:p@s/s@h/db", "postgresql://u:p@s?s@h/db"),
        *("postgresql://u/x:pw@h/db", "postgresql://u:pw@h/db?application_name=a@b"),
    ],
)
def test_an_at_sign_that_was_not_encoded_is_an_error_that_says_how_to_write_it(url: str) -> None:
    assert refusal(url) == TOO_MANY_AT


def test_quotes_around_a_url_are_an_error() -> None:
    assert refusal('"postgresql://h/db"') == (
        "DATABASE_URL begins with a quotation mark, which is not part of a URL: remove the"
        " quotes (docker's --env-file keeps them)."
    )


def test_an_at_sign_in_the_host_parameter_is_an_error() -> None:
    assert refusal("postgresql:///db?host=u:pw%40h") == (
        f"DATABASE_URL has an @ in its host. A role and a password go before the host: {FORM}"
    )


def test_hosts_and_ports_that_do_not_fit_are_an_error() -> None:
    assert refusal("postgresql:///db?host=a,b,c&port=1,2") == (
        "DATABASE_URL has hosts or ports that cannot be read. Write several hosts like this: "
        "postgresql://role:password@first:5432,second:5432/database"
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "ssl=perhaps",
            (
                "DATABASE_URL has a parameter ssl that is not one of allow, disable, prefer, "
                "require,"
                " verify-ca, verify-full."
            ),
        ),
        ("timeout=x", "DATABASE_URL has a parameter timeout that is not a number of seconds."),
        ("timeout=inf", "DATABASE_URL has a parameter timeout that is not a number of seconds."),
    ],
)
def test_a_parameter_that_cannot_be_mapped_is_an_error(query: str, expected: str) -> None:
    assert refusal(f"postgresql:///db?{query}") == expected


# No password anywhere


@given(middle=words)
@example("@")
@example("a@b/c")
@example("/@?")
@example("?x=@h:5@")
@example("#")
@example(":")
@example("[")
@example(",")
@example("%40")
def test_a_password_typed_into_a_url_is_never_shown(middle: str) -> None:
    password = MARK + middle + MARK
    for url in (
        f"postgresql://u:{password}@db.example:5432/app",
        f"postgresql://u:{password}@db.example:port/app",
        f"postgresql://u:{quote(password, safe='')}@db.example/app?sslmode=x",
        f"postgresql://db.example/app?user=u&password={quote(password, safe='')}",
        f"postgresql://db.example/app?user=u&password={password}",
        f"u:{password}@db.example/app",
        f"mysql://u:{password}@db.example/app",
    ):
        try:
            database = Database(normalise(url), "DATABASE_URL")
        except UsageError as error:
            seen = "".join(traceback.format_exception(error))
        else:
            problem = explain_connect_error(libpq_error("FATAL:  what?"), database)
            seen = f"{database} {database!r} {database.describe(environ={})} {problem}"
        assert MARK not in seen


@given(middle=words)
def test_a_password_in_the_words_of_the_driver_is_blotted_out(middle: str) -> None:
    password = MARK + middle + MARK
    url = URL.create("postgresql", "u", password, "h", database="d", query={"sslpassword": "Qx"})
    database = Database(normalise(url), "DATABASE_URL")
    for text in (f'bad value "{password}" or "Qx"', f"bad {password} value"):
        problem = explain_connect_error(libpq_error(text), database)
        assert MARK not in str(problem)
        assert "Qx" not in str(problem)
    invalid = libpq_error(f"invalid dsn: x {password}", kind=psycopg2.ProgrammingError)
    assert MARK not in str(explain_connect_error(invalid, database))


def test_only_the_password_is_blotted_out() -> None:
    text = 'option "pass" has the value "pass%w"'
    assert str(explained(text, "postgresql://u:pass%25w@h/d")).endswith(
        'The driver says: option "pass" has the value "***"'
    )


def test_a_password_that_is_also_the_role_does_not_blot_out_the_role() -> None:
    text = 'FATAL:  role "app" does not exist'
    assert str(explained(text, "postgresql://app:app@h/app")).endswith(text)


# Describing a database


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://deploy:pw@db.example/app", "database app on db.example:5432 as deploy"),
        ("postgresql://deploy@db:6432/app", "database app on db:6432 as deploy"),
        ("postgresql://deploy@[::1]/app", "database app on [::1]:5432 as deploy"),
        ("postgresql://h/app", "database app on h:5432"),
        ("postgresql://deploy@h", "database deploy on h:5432 as deploy"),
        ("postgresql://", "the default database on the local socket, port 5432"),
        (
            "postgresql://postgres@/app?host=/tmp/pg",
            "database app on the socket in /tmp/pg, port 5432 as postgres",
        ),
        ("postgresql://a:1,b:2/app", "database app on a:1, b:2"),
        ("postgresql://a,b:7/app", "database app on a:5432, b:7"),
        ("postgresql:///?service=shop", "the default database of the service shop"),
        ("postgresql://h/a%0Ab", "database a\\nb on h:5432"),
    ],
)
def test_a_database_is_described_in_one_line(url: str, expected: str) -> None:
    assert described(url) == f"{expected} (from DATABASE_URL)"


def test_what_the_url_leaves_out_is_described_as_libpq_fills_it_in() -> None:
    environ = {"PGHOST": "h", "PGPORT": "7", "PGUSER": "u", "PGDATABASE": "d"}
    assert described("postgresql://", **environ) == "database d on h:7 as u (from DATABASE_URL)"
    assert (
        described("postgresql://x@y/z", **environ) == "database z on y:7 as x (from DATABASE_URL)"
    )


def test_the_url_of_an_engine_with_another_driver_is_described_alike() -> None:
    url = URL.create("postgresql+asyncpg", "deploy", "pw", "h", database="app")
    assert Database(url, "x").describe(environ={}) == "database app on h:5432 as deploy (from x)"


# Which database


def settings(**values: Any) -> Settings:
    return Settings(folder="/app/migrations", config_file="/app/alembic.ini", **values)


PLACES = ["--database-url", "MIGRATION_DATABASE_URL", "DATABASE_URL", "sqlalchemy.url"]


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_first_place_that_holds_a_url_wins(first: int) -> None:
    urls = {place: f"postgres://{n}/app" for n, place in enumerate(PLACES) if n >= first}
    found = resolve(
        settings(sqlalchemy_url=urls.get("sqlalchemy.url"), embedded=True),
        database_url=urls.get("--database-url"),
        environ={"MIGRATION_DATABASE_URL": "", "DATABASE_URL": " ", **urls},
    )
    assert isinstance(found, Database)
    assert found.url.host == str(first)
    where = " in /app/alembic.ini" if first == len(PLACES) - 1 else ""
    assert found.source == PLACES[first] + where


def test_the_embedded_server_is_used_only_where_it_is_allowed() -> None:
    assert resolve(settings(embedded=True), environ={}) == EmbeddedChoice("the setting embedded")
    assert resolve(settings(), embedded=True, environ={}) == EmbeddedChoice("--embedded")
    assert text_of(lambda: resolve(settings(), environ={"DATABASE_URL": ""})) == (
        "No database is named. Give its URL in one of these places, the first that is set wins:"
        " --database-url, MIGRATION_DATABASE_URL, DATABASE_URL, or sqlalchemy.url in"
        " /app/alembic.ini. To try without a server of your own, type: eai migrate --embedded"
    )


def test_the_flag_embedded_goes_before_variables_and_the_configuration() -> None:
    environ = {"MIGRATION_DATABASE_URL": "x", "DATABASE_URL": "x"}
    found = resolve(settings(sqlalchemy_url="x"), embedded=True, environ=environ)
    assert found == EmbeddedChoice("--embedded")


def test_the_flag_embedded_and_a_url_argument_are_a_contradiction() -> None:
    found = text_of(
        lambda: resolve(settings(), database_url="postgresql://h/d", embedded=True, environ={})
    )
    assert found == "--embedded and --database-url name two databases: give one of them."


def test_the_url_that_alembic_init_writes_counts_as_unset() -> None:
    found = settings(sqlalchemy_url="driver://user:pass@localhost/dbname", embedded=True)
    assert resolve(found, environ={}) == EmbeddedChoice("the setting embedded")


def test_a_wrong_url_names_its_place() -> None:
    found = text_of(lambda: resolve(settings(sqlalchemy_url="sqlite://"), environ={}))
    assert found.startswith("sqlalchemy.url in /app/alembic.ini is a URL for sqlite,")


# The engine


def libpq_arguments(url: str) -> dict[str, Any]:
    """What psycopg2 would be called with."""
    engine = make_engine(normalise(url), application_name="eai")
    assert isinstance(engine.pool, NullPool)
    seen: dict[str, Any] = {}

    @event.listens_for(engine, "do_connect")
    def caught(_dialect: object, _record: object, _args: object, params: dict[str, Any]) -> None:
        seen.update(params)
        assert seen.pop("connection_factory") is DriverConnection
        raise KeyError("caught")

    with pytest.raises(KeyError, match="caught"):
        engine.connect()
    return seen


def test_the_engine_has_keepalives_a_time_out_and_a_name() -> None:
    assert libpq_arguments("postgresql://h/d") == {
        "host": "h",
        "dbname": "d",
        "fallback_application_name": "eai",
        "connect_timeout": 10,
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


def test_the_engine_keeps_what_the_url_says() -> None:
    query = "connect_timeout=3&application_name=mine&keepalives_idle=7&tcp_user_timeout=5000"
    found = libpq_arguments(f"postgresql://h/d?{query}")
    assert (found["connect_timeout"], found["keepalives_idle"]) == ("3", "7")
    assert (found["application_name"], found["keepalives_count"]) == ("mine", 3)
    assert found["tcp_user_timeout"] == "5000"


def test_the_engine_leaves_the_time_out_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    assert "connect_timeout" not in libpq_arguments("postgresql://h/d")


# Why there is no connection

HBA = 'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", database "d"'
REFUSED = 'connection to server at "db.example" (10.0.0.1), port 5432 failed: '


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('FATAL:  password authentication failed for user "deploy"', "refused the password"),
        ("fe_sendauth: no password supplied", "wants a password, and none was given"),
        ('FATAL:  role "deploy" does not exist', "the role does not exist on that server"),
        ('FATAL:  database "app" does not exist', "the database does not exist on that server"),
        (f"{HBA}, no encryption", "does not admit this host, role and database."),
        ("FATAL: SSL connection is required.", "wants the connection to be encrypted"),
        ('FATAL:  role "deploy" is not permitted to log in', "does not let this role in"),
        ('FATAL:  Peer authentication failed for user "deploy"', "does not let this role in"),
        ("server does not support SSL, but SSL was required", "do not agree about encryption"),
        ("SSL error: certificate verify failed", "do not agree about encryption"),
        ("received invalid response to SSL negotiation: H", "is not a PostgreSQL server"),
        ('definition of service "x" not found', "the service that names the database"),
        ('invalid channel_binding value: "x"', "a parameter of the URL is not one"),
        ("FATAL:  Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", "the password"),
        ("FATAL:  le rôle « deploy » n'existe pas", "the role does not exist on that server"),
        ("FATAL:  no existe la base de datos «app»", "the database does not exist"),
        ("FATAL:  kein pg_hba.conf-Eintrag für Host »h«", "does not admit this host"),
    ],
)
def test_what_waiting_cannot_mend_is_a_usage_error(text: str, fact: str) -> None:
    refused = f'connection to server at "db.example" (::1) failed: Connection refused\n{REFUSED}'
    for driver in (text, refused + text):
        problem = explained(driver)
        assert isinstance(problem, UsageError)
        assert problem.exit_code == 2
        assert fact in str(problem).partition("\n")[0]


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Connection refused\n\tIs the server running on that host?", "nothing listens there"),
        ("No such file or directory", "nothing listens there"),
        ("FATAL:  the database system is starting up", "is starting up or shutting down"),
        ("FATAL:  the database system is shutting down", "is starting up or shutting down"),
        ("FATAL:  the database system is in recovery mode", "is starting up or shutting down"),
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ('FATAL:  too many connections for role "u"', "this role has all the connections"),
        ('FATAL:  too many connections for database "d"', "this database has all the connections"),
        ("FATAL:  query_wait_timeout", "the pooler had no connection to the server left"),
        ("FATAL:  remaining connection slots are reserved for x", "has no connection left"),
        ("timeout expired", "the server did not answer in time"),
        ('could not translate host name "db" to address: x', "the name of the host is not known"),
        ("server closed the connection unexpectedly", "the connection failed"),
        ("ФАТАЛЬНО:  система баз данных запускается", "the connection failed"),
    ],
)
def test_what_may_pass_is_a_server_that_cannot_be_reached(text: str, fact: str) -> None:
    problem = explained(REFUSED + text)
    assert isinstance(problem, ServerUnreachable)
    assert problem.exit_code == 75
    assert fact in str(problem)
    assert RUN_AGAIN in str(problem)


def test_the_whole_text_of_a_failure() -> None:
    text = f'{REFUSED}FATAL:  password authentication failed for user "deploy"'
    assert str(explained(f"{text}\n")) == (
        "No connection to database app on db.example:5432 as deploy (from DATABASE_URL):"
        " the server refused the password of this role. Check the role and its password."
        " In a URL, special characters of a password are percent-encoded: %40 for @, %2F for /,"
        f" %25 for %.\nThe driver says: {text}"
    )


def test_a_message_in_another_encoding_is_read_as_well_as_it_can_be() -> None:
    raw = "ВАЖНО:  no pg_hba.conf".encode("cp1251")
    with pytest.raises(UnicodeDecodeError) as caught:
        raw.decode()
    database = Database(normalise("postgresql://h/d"), "DATABASE_URL")
    assert isinstance(explain_connect_error(caught.value, database), UsageError)


# Connecting


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_closed_port_is_told_at_once_without_waiting() -> None:
    url = normalise(f"postgresql://u:{MARK}@127.0.0.1:{closed_port()}/app")
    with pytest.raises(ServerUnreachable) as caught:
        connect(make_engine(url), Database(url, "DATABASE_URL"))
    assert str(caught.value).startswith(
        f"No connection to database app on 127.0.0.1:{url.port} as u (from DATABASE_URL):"
        " nothing listens there. Check that the server runs, and the host and the port. Run again,"
    )
    assert MARK not in str(caught.value)


def test_waiting_ends_after_its_time_and_is_told_at_once_and_every_six_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = normalise(f"postgresql://127.0.0.1:{closed_port()}/app")
    now = 1000.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(opening, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(opening, "sleep", sleep)
    told: list[events.WaitingForServer] = []
    with pytest.raises(ServerUnreachable) as caught:
        connect(
            make_engine(url),
            Database(url, "DATABASE_URL"),
            wait=20,
            tell=told.append,
        )
    assert str(caught.value).endswith("\nWaited 20.0 s for it.")
    line = f"database app on 127.0.0.1:{url.port} (from DATABASE_URL): nothing listens there"
    assert {event.message for event in told} == {line}
    assert [event.seconds for event in told] == [0, 5.5, 11.5, 17.5]


@pytest.mark.parametrize(
    ("query", "fact", "said"),
    [
        ("schema=public", "a parameter of the URL is", 'invalid connection option "schema"'),
        ("channel_binding=x", "a parameter of the URL is", 'invalid channel_binding value: "x"'),
        ("sslmode=x", "do not agree about encryption", 'invalid sslmode value: "x"'),
        ("service=nowhere", "the service that names the", 'of service "nowhere" not found'),
    ],
)
def test_a_parameter_that_libpq_does_not_know_is_a_usage_error(
    query: str, fact: str, said: str
) -> None:
    url = normalise(f"postgresql://u:{MARK}@127.0.0.1:1/app?{query}")
    with pytest.raises(UsageError) as caught:
        connect(make_engine(url), Database(url, "DATABASE_URL"), wait=60)
    assert fact in str(caught.value)
    assert str(caught.value).endswith(said)
