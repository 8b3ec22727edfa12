"""Constants in a script mean to the server what the values mean to psycopg2."""

from __future__ import annotations

import datetime as dt
import enum
import math
import re
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extras import (
    DateRange,
    DateTimeRange,
    DateTimeTZRange,
    Json,
    NumericRange,
    register_uuid,
)

from bridge.database.literals import NoLiteralError, do_block, literal, quoted
from bridge.database.sql_text import terminated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL


class Colour(enum.StrEnum):
    RED = "it's \\red"


class Size(enum.IntEnum):
    SMALL = -3


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
DATES = st.dates()
TIMES = st.datetimes(timezones=st.none())
ZONED = st.datetimes(
    min_value=dt.datetime(2, 1, 1),  # noqa: DTZ001
    max_value=dt.datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.timedeltas(dt.timedelta(hours=-14), dt.timedelta(hours=14)).map(
        lambda offset: dt.timezone(dt.timedelta(minutes=offset // dt.timedelta(minutes=1)))
    ),
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(
    TEXT,
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(),
    st.decimals(),
    st.binary(),
    st.binary().map(bytearray),
    st.binary().map(lambda data: memoryview(data)),  # noqa: PLW0108 - mypy reads it so
    st.uuids(),
    DATES,
    TIMES,
    ZONED,
    st.times(),
    st.timedeltas(dt.timedelta(days=-(10**6)), dt.timedelta(days=10**6)),
    st.sampled_from([Colour.RED, Size.SMALL]),
)


def ranges(cls: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    ends = st.tuples(values, values).map(sorted)
    bounds = st.sampled_from(["[]", "[)", "(]", "()"])
    full = st.builds(lambda pair, kind: cls(pair[0], pair[1], kind), ends, bounds)
    half = st.builds(lambda end, kind: cls(end, None, kind), values, bounds)
    return st.one_of(full, half, st.just(cls(empty=True)))


RANGES = st.one_of(
    ranges(NumericRange, st.integers(-(10**6), 10**6)),
    ranges(DateRange, DATES.filter(lambda day: day.year < 9999)),
    ranges(DateTimeRange, TIMES),
    ranges(DateTimeTZRange, ZONED),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)),
    max_leaves=8,
)
#: Values of one type, as an array holds them, with the type of the array.
ARRAYS = st.one_of(
    st.tuples(st.lists(st.one_of(TEXT, st.none())), st.just("text[]")),
    st.tuples(st.lists(st.lists(TEXT, min_size=2, max_size=2)), st.just("text[]")),
    st.tuples(st.lists(st.one_of(st.integers(-9, 9), st.none())), st.just("int[]")),
    st.tuples(st.lists(st.lists(st.none(), min_size=1, max_size=1)), st.just("int[]")),
    st.tuples(st.lists(st.binary()), st.just("bytea[]")),
    st.tuples(st.lists(st.uuids()), st.just("uuid[]")),
    st.tuples(st.lists(ZONED), st.just("timestamptz[]")),
)


@pytest.fixture(scope="module")
def cursor(server_url: URL) -> Iterator[Any]:
    dsn = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    register_uuid(conn_or_curs=connection)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def same(cursor: Any, value: object, kind: str = "") -> None:
    """The server sees no difference between what psycopg2 sends and what a script says."""
    cast = f"::{kind}" if kind else ""
    cursor.execute("SET standard_conforming_strings = on; SET escape_string_warning = off")
    expected = answer(cursor, cursor.mogrify("%s", (value,)).decode() + cast)
    assert answer(cursor, literal(value) + cast) == expected
    cursor.execute("SET standard_conforming_strings = off")
    assert answer(cursor, literal(value) + cast) == expected


def answer(cursor: Any, expression: str) -> tuple[str, int]:
    cursor.execute(f"SELECT {expression}")
    value = cursor.fetchone()[0]
    told = repr(bytes(value) if isinstance(value, memoryview) else value)
    return told, cursor.description[0].type_code


@given(value=SCALARS)
def test_scalars_are_what_the_driver_sends(cursor: Any, value: Any) -> None:
    if isinstance(value, dt.datetime | dt.date):
        # The year 0 is not a year to PostgreSQL, and psycopg2 cannot read years beyond 9999.
        same(cursor, value, "text")
    else:
        same(cursor, value)


@given(value=TEXT)
def test_texts_come_back_as_they_were(cursor: Any, value: str) -> None:
    cursor.execute(f"SELECT {literal(value)}")
    assert cursor.fetchone() == (value,)


#: Among them those in which a tag ends, or nearly.
DOLLARS = st.lists(st.sampled_from(["$bridge$", "$bridge0$", "$bridge1$", "$bridge", "$", "a"]))


@given(value=st.one_of(TEXT, DOLLARS.map("".join)))
def test_a_block_may_hold_any_text(cursor: Any, value: str) -> None:
    # Once in a constant, and once as the very end of the body.
    block = do_block(
        f"BEGIN PERFORM set_config('bridge.seen', {quoted(value)}, false); END --"
        + re.sub(r"[\r\n]", "", value)
    )
    assert terminated(block) == f"{block};"
    cursor.execute(block)
    cursor.execute("SELECT current_setting('bridge.seen')")
    assert cursor.fetchone() == (value,)


@given(value=st.binary())
def test_bytes_come_back_as_they_were(cursor: Any, value: bytes) -> None:
    cursor.execute(f"SELECT {literal(value)}")
    assert bytes(cursor.fetchone()[0]) == value


@given(value=JSON)
def test_json_comes_back_as_it_was(cursor: Any, value: Any) -> None:
    same(cursor, Json(value), "json")
    cursor.execute(f"SELECT {literal(Json(value))}::json")
    assert cursor.fetchone() == (value,)


@given(value=RANGES)
def test_ranges_are_what_the_driver_sends(cursor: Any, value: Any) -> None:
    same(cursor, value, "int4range::text" if isinstance(value, NumericRange) else "text")


@given(value=ARRAYS)
def test_arrays_are_what_the_driver_sends(cursor: Any, value: tuple[list[Any], str]) -> None:
    same(cursor, value[0], f"{value[1]}::text")


@given(values=st.lists(st.one_of(TEXT, st.none()), min_size=1))
def test_a_tuple_is_a_list_for_in(cursor: Any, values: list[str | None]) -> None:
    cursor.execute(f"SELECT 'a' IN {literal(tuple(values))}")
    written = cursor.fetchone()
    cursor.execute("SELECT 'a' IN %s", (tuple(values),))
    assert written == cursor.fetchone()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.inf, "'Infinity'::float"),
        (Decimal("NaN"), "'NaN'::numeric"),
        (-1, " -1"),  # after a minus it would begin a comment
        ([], "'{}'"),
        ([None], "'{NULL}'"),
        ([["a"], ["\\"]], "ARRAY[ARRAY['a'], ARRAY[E'\\\\']]"),
        (None, "NULL"),
        (b"\x00\xff", "E'\\\\x00ff'::bytea"),
        (psycopg2.Binary(b"a"), "E'\\\\x61'::bytea"),
        (uuid.UUID(int=1), "'00000000-0000-0000-0000-000000000001'::uuid"),
        (Json({"a": "'\\"}), "E'{\"a\": \"''\\\\\\\\\"}'"),
    ],
)
def test_constants_are_written_so(value: Any, written: str) -> None:
    assert literal(value) == written


@pytest.mark.parametrize("value", [{"a": 1}, object(), {1}, "a\0"])
def test_what_the_driver_cannot_send_cannot_be_written(value: Any) -> None:
    with pytest.raises(psycopg2.ProgrammingError, match=r"can't adapt|cannot contain NUL"):
        literal(value)


def test_an_adapter_that_needs_a_connection_is_an_error() -> None:
    class Asks:
        def __conform__(self, _protocol: object) -> Asks:
            return self

        def getquoted(self) -> bytes:
            raise AttributeError("_conn")

    with pytest.raises(NoLiteralError, match="Asks"):
        literal(Asks())
