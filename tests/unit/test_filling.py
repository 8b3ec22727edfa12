"""What is written into a column of somebody else's that must have a value."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from bridge.ledger.filling import filling, iso_form
from bridge.ledger.table_facts import Column

A, B = "001_Add_Users", "002_b"


def sql(name: str, kind: str, *values: tuple[str, str]) -> str | None:
    """The SQL for a column, where all rows get the same."""
    found = filling(Column(name=name, type=kind), values, table='"The Ledger"')
    assert found is None or (found.column == name and found.of_stem is None)
    return None if found is None else found.sql


def made(name: str, kind: str, *values: tuple[str, str]) -> str | None:
    """What a column gets for B, where that is made of its name."""
    found = filling(Column(name=name, type=kind), values, table="t")
    assert found is None or found.sql is None
    return found.of_stem(B) if found and found.of_stem else None


@pytest.mark.parametrize("kind", ["text", "character varying(100)", "name", "citext", "x.citext"])
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        # As the other rows have it.
        ("name", [A], "002_b"),
        ("Name", [A], "002_b"),
        ("migration_name", ["001_Add_Users.py"], "002_b.py"),
        ("title", ["Add_Users"], "b"),
        ("title", ["Add Users"], "b"),
        ("version", ["001"], "002"),
        ("version", ["1"], "2"),
        ("script", ["db/001_Add_Users.py"], "db/002_b.py"),
        ("file", ["C:\\db\\001_Add_Users"], "C:\\db\\002_b"),
        ("filename", ["001_Add_Users.sql"], "002_b.sql"),
        # As its name says, without rows.
        ("name", [], "002_b"),
        ("migration", [], "002_b"),
        ("script", [], "002_b.py"),
        ("file_name", [], "002_b.py"),
        ("Filename", [], "002_b.py"),
        # Nobody can tell.
        ("name", ["Somebody's words"], None),
        ("script", ["1.sql"], None),
        ("cost_center", [A], None),
        ("names", [], None),
    ],
)
def test_a_name_is_written_as_the_other_rows_have_it(
    kind: str, name: str, values: list[str], expected: str | None
) -> None:
    assert made(name, kind, *((A, value) for value in values)) == expected


def test_a_name_that_the_rows_do_not_all_have_in_one_way_is_unknown() -> None:
    assert made("name", "text", (A, A), (B, "002_b.py")) is None
    assert made("script", "text", (A, f"db/{A}.py"), (B, "app/002_b.py")) is None
    assert made("name", "text", (A, A), (B, B)) == B
    # One that is the same in two ways so far is the plainest of them.
    assert made("name", "text", ("007", "007")) == B


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_a_number_is_written_as_the_other_rows_have_it(kind: str) -> None:
    assert made("version", kind, (A, "1")) == "2"
    assert made("version", kind) is None
    assert made("version", kind, (A, "17")) is None


@pytest.mark.parametrize(
    "name", ["installed_by", "applied_by", "Executed_By", "created_user", "user", "username"]
)
def test_who_did_it_is_the_role_as_far_as_there_is_room(name: str) -> None:
    assert sql(name, "text") == "CAST(current_user AS text)"
    assert sql(name, "character varying(8)") == "left(CAST(current_user AS text), 8)"
    assert sql(name, "integer") is None


@pytest.mark.parametrize("name", ["success", "successful", "Succeeded", "ok", "done", "completed"])
def test_that_it_succeeded_is_true_or_one(name: str) -> None:
    assert sql(name, "boolean") == "true"
    assert sql(name, "smallint") == "1"
    assert sql(name, "integer") == "1"
    assert sql(name, "text") is None


def test_a_boolean_of_another_name_is_unknown() -> None:
    assert sql("is_dangerous", "boolean") is None


@pytest.mark.parametrize("name", ["batch", "batch_no", "Batch_ID", "rank", "installed_rank"])
def test_a_batch_is_the_greatest_plus_one(name: str) -> None:
    assert sql(name, "integer") == f'(COALESCE((SELECT max("{name}") FROM "The Ledger"), 0) + 1)'
    assert sql(name, "text") is None


@pytest.mark.parametrize("name", ["duration_ms", "execution_time_ms", "elapsed_ms", "runtime_ms"])
def test_how_long_it_took_is_nothing(name: str) -> None:
    assert sql(name, "bigint") == "0"
    assert sql(name, "text") is None


@pytest.mark.parametrize(
    "kind",
    [
        "timestamp with time zone",
        "timestamp(0) without time zone",
        "timestamp without time zone",
        "date",
    ],
)
@pytest.mark.parametrize("name", ["installed_on", "When", "updated_at"])
def test_a_time_is_the_time_whatever_its_name(name: str, kind: str) -> None:
    assert sql(name, kind) == f"CAST(clock_timestamp() AS {kind})"


@pytest.mark.parametrize(
    "kind", ["time without time zone", "numeric(10,0)", "uuid", "jsonb", "text[]", "bytea"]
)
def test_another_type_is_unknown(kind: str) -> None:
    assert sql("name", kind) is None
    assert sql("id", kind) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-02T03:04:05", 'YYYY-MM-DD"T"HH24:MI:SS'),
        ("2024-01-02 03:04:05", 'YYYY-MM-DD" "HH24:MI:SS'),
        ("2024-01-02T03:04:05.678", 'YYYY-MM-DD"T"HH24:MI:SS.MS'),
        ("2024-01-02T03:04:05.678901", 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        ("2024-01-02 03:04:05.6789", 'YYYY-MM-DD" "HH24:MI:SS.US'),
        ("2024-01-02T03:04:05Z", 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        ("2024-01-02T03:04:05.678901+00:00", 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
        ("2024-01-02 03:04:05.678+0000", 'YYYY-MM-DD" "HH24:MI:SS.MS"+0000"'),
        ("2024-01-02 03:04:05+00", 'YYYY-MM-DD" "HH24:MI:SS"+00"'),
    ],
)
def test_a_time_as_text_is_written_in_the_form_of_the_last_row(value: str, expected: str) -> None:
    utc = " AT TIME ZONE 'UTC'" if value[-1] == "Z" or "+" in value else ""
    told = f"to_char(clock_timestamp(){utc}, '{expected}')"
    assert iso_form(value) == told
    assert sql("applied_at", "text", (A, "2020-02-02"), (B, value)) == told


@pytest.mark.parametrize(
    "value", ["", "2024-01-02", "02.01.2024 03:04:05", "1704164645", "2024-01-02T03:04:05+02:00"]
)
def test_a_time_as_text_in_another_form_is_unknown(value: str) -> None:
    assert iso_form(value) is None
    assert sql("applied_at", "text", (A, value)) is None


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        ("text", 27),
        ("character varying(27)", 27),
        ("character varying(26)", 20),
        ("character varying(19)", 19),
        ("character varying(18)", None),
    ],
)
def test_without_rows_a_time_as_text_has_as_much_detail_as_there_is_room_for(
    kind: str, length: int | None
) -> None:
    told = sql("applied_at", kind)
    found = told and re.search(r", '(.*)'\)$", told)
    if not found:
        assert length is None
        return
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    shown = found[1].replace("YYYY-MM-DD", now[:10]).replace("HH24:MI:SS", now[11:])
    assert len(shown.replace("US", "123456").replace('"', "")) == length
