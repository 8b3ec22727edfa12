"""Reading the ordinary URL without SQLAlchemy, held against the reading with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.database.plain_url import plain_parameters
from bridge.database.url import connection_parameters, normalise
from bridge.errors import UsageError

PARTS = [
    *("postgresql", "postgres", "+psycopg2", "+asyncpg", "+psycopg", "+pg8000", "mysql"),
    *("://", "//", "/", ":", "@", "?", "&", "=", "%", "%40", "%2F", "%zz", "+", ",", "[::1]", "#"),
    *("user", "pass word", "pässword", "p+w", "p.w", "localhost", "db-1.example.com", "10.0.0.5"),
    *("5432", "0", "05432", "99999", "database", "über", "host=/run/x", "host=%2Frun%2fx"),
    *("sslmode=require", "ssl"),
    *("host=other", "user=other", "password=x", "port=1", "options=-csearch_path%3Dx", "host="),
    *("keepalives_count=9", "tcp_user_timeout=5000", "keepalives_interval=5"),
    *("application_name=web", "connect_timeout=3", "connect_timeout=soon", "dbname=x", "\n", " "),
]
pieces = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
words = st.text("abz019._~%40-", min_size=1, max_size=8)
ordinary = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["postgresql", "postgres", "postgresql+psycopg2", "postgresql+asyncpg"]),
    st.builds("{}:{}@".format, words, pieces | words) | st.sampled_from(["user@", ""]),
    st.sampled_from(["localhost", "", "db-1.example.com", "localhost:5432", ":5433", "h:54321"]),
    st.builds("/{}".format, words) | st.sampled_from(["/database", "/", ""]),
    pieces.map("?{}".format) | st.sampled_from(["", "?", "?host=/run/x", "?sslmode=require"]),
)


@given(pieces | ordinary)
def test_what_is_read_without_sqlalchemy_is_what_is_read_with_it(url: str) -> None:
    if (plain := plain_parameters(url)) is not None:
        assert plain == connection_parameters(normalise(url))


@given(pieces)
def test_a_url_that_is_refused_with_a_sentence_is_not_read(url: str) -> None:
    try:
        normalise(url)
    except UsageError:
        assert plain_parameters(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:secret@db:5432/app",
        "postgres://app@db/app?sslmode=require",
        "postgresql+psycopg2://app:p%40ss@10.0.0.5/app",
        "postgresql+asyncpg://db:54321/app",
        "postgresql:///app?host=/run/postgresql",
        "postgresql+psycopg2://app@:5432/app?host=%2Frun%2Fpostgresql",
    ],
)
def test_the_urls_of_most_services_are_plain(url: str) -> None:
    assert plain_parameters(url) == connection_parameters(normalise(url))


@pytest.mark.parametrize(
    "url", ["", "sqlite:///x", "postgresql://a,b/app", "postgresql://[::1]/app", "postgresql://"]
)
def test_others_are_not(url: str) -> None:
    assert plain_parameters(url) in (None, {})
