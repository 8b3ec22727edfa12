"""What is written into a column of somebody else's that must have a value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.ledger.filling import Filling, Told, default_of, filling, is_checksum, needs_value
from bridge.ledger.history import Row
from bridge.ledger.table_facts import Column
from bridge.ledger.time_forms import iso_form

A, B = "001_Add_Users", "002_b"


def filled(
    name: str,
    kind: str,
    *values: tuple[str, str | None],
    required: bool = True,
    default: str | None = None,
    files: tuple[str, ...] | None = None,
) -> Filling | None:
    column = Column(name=name, type=kind, not_null=required, default=default)
    found = filling(column, Told(values, files), table='"The Ledger"')
    assert found is None or found.column == name
    return found


def sql(name: str, kind: str, *values: tuple[str, str | None]) -> str | None:
    """The SQL for a column that must have a value, where all rows get the same."""
    found = filled(name, kind, *values)
    assert found is None or found.of_row is None
    return None if found is None else found.sql


def made(
    name: str, kind: str, *values: tuple[str, str | None], row: Row | None = None, **column: Any
) -> str | None:
    """What a column gets for B, where that is made of the migration."""
    found = filled(name, kind, *values, **column)
    assert found is None or found.sql is None
    return found.of_row(row or Row(B)) if found and found.of_row else None


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
        ("cost_center", ["4711"], None),
        ("cost_center", [], None),
        # Whatever the column is called, where the rows tell.
        ("label", [A], "002_b"),
        ("what", ["Add_Users.py"], "b.py"),
        ("number", ["V1"], "V2"),
        ("version", ["v001"], "v002"),
        ("version", ["0001"], "0002"),
        ("title", ["Add users"], "B"),
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
    "value", ["2024-01-02", "02.01.2024 03:04:05", "17041646", "2024-01-02T03:04:05+02:00"]
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


def test_a_time_as_text_is_no_earlier_than_the_others_where_all_have_one_form() -> None:
    one = "2024-01-02T03:04:05Z"
    assert sql("applied_at", "text", (A, one), (B, one)) == (
        f'GREATEST({iso_form(one)}, (SELECT max("applied_at"::text COLLATE "C") FROM "The Ledger"))'
    )


@pytest.mark.parametrize(
    ("kind", "value", "now"),
    [
        ("bigint", "1704164645", "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)"),
        (
            "bigint",
            "1704164645678",
            "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)",
        ),
        ("double precision", "1704164645.25", "extract(epoch FROM clock_timestamp())"),
    ],
)
def test_a_time_as_a_number_is_counted_as_the_others_and_no_earlier(
    kind: str, value: str, now: str
) -> None:
    assert sql("run_at", kind, (A, value)) == (
        f'GREATEST(CAST({now} AS {kind}), (SELECT max("run_at") FROM "The Ledger"))'
    )


@pytest.mark.parametrize("values", [[], ["17"], ["1704164645", "1704164645678"]])
def test_a_time_as_a_number_of_which_nobody_can_tell_what_it_counts_is_unknown(
    values: list[str],
) -> None:
    assert sql("run_at", "bigint", *((A, value) for value in values)) is None


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("duration_ms", "integer", "1500"),
        ("execution_time_in_millis", "bigint", "1500"),
        ("execution_time", "integer", "1500"),
        ("took", "double precision", "1.5"),
        ("duration_seconds", "numeric(10,3)", "1.5"),
        ("elapsed_s", "integer", "2"),
        ("execution_time_ms", "bigint", "1500"),
        ("runtime_ms", "smallint", "1500"),
    ],
)
def test_how_long_it_took_is_told_in_the_unit_of_the_column(
    name: str, kind: str, expected: str
) -> None:
    ran = Row(B, execution_ms=1500)
    assert made(name, kind, row=ran) == expected
    assert made(name, kind, row=Row(B)) == "0"
    assert made(name, "text", row=ran) is None
    assert made(name, kind, (A, "3"), row=ran, required=False) == expected
    assert made(name, kind, (A, "3"), row=Row(B), required=False) is None


@pytest.mark.parametrize("name", ["duration_us", "size_ms", "timeout"])
def test_in_another_unit_it_is_unknown(name: str) -> None:
    assert made(name, "integer", row=Row(B, execution_ms=1)) is None


@pytest.mark.parametrize("name", ["status", "State", "migration_status", "outcome", "type", "kind"])
def test_a_word_is_that_of_the_last_row_which_has_succeeded(name: str) -> None:
    assert made(name, "text", (A, "applied"), (B, "done")) == "done"
    assert made(name, "text") is None
    failed = (B, "failed")
    expected = "failed" if name in {"type", "kind"} else "applied"
    assert made(name, "text", (A, "applied"), failed) == expected


@pytest.mark.parametrize("name", ["rolled_back", "is_reverted", "failed"])
def test_that_it_failed_is_false_or_nothing(name: str) -> None:
    assert sql(name, "boolean") == "false"
    assert sql(name, "integer") == "0"


# Columns that may stay empty, or have a default


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("name", "text", A),
        ("version", "integer", "1"),
        ("batch", "integer", "3"),
        ("success", "boolean", "true"),
        ("installed_by", "text", "somebody"),
        ("executed_at", "timestamp with time zone", "2024-01-02 03:04:05+00"),
        ("executed_at", "text", "2024-01-02 03:04:05"),
        ("status", "text", "success"),
    ],
)
def test_what_may_stay_empty_is_filled_where_another_row_has_a_value(
    name: str, kind: str, value: str
) -> None:
    assert filled(name, kind, (A, value), required=False) is not None
    # A row that somebody has written by hand may have none.
    assert filled(name, kind, (A, value), (B, None), required=False) is not None
    assert filled(name, kind, (A, None), required=False) is None
    assert filled(name, kind, required=False) is None


@pytest.mark.parametrize("name", ["rolled_back_at", "deleted_at", "approved_on"])
def test_a_time_of_what_may_happen_later_stays_empty(name: str) -> None:
    told = (A, "2024-01-02 03:04:05")
    assert filled(name, "timestamp without time zone", told, required=False) is None


@pytest.mark.parametrize(
    ("kind", "default", "values", "left"),
    [
        ("text", "'success'::text", ["success"], True),
        ("text", "'pending'::text", ["success"], False),
        ("text", "'it''s'::character varying", ["it's", "it's"], True),
        ("text", "'a'::text", ["a", "b"], False),
        ("text", "my_function()", ["success"], True),
        ("text", "CURRENT_USER", ["somebody"], True),
    ],
)
def test_what_the_others_have_from_the_default_is_left_to_it(
    kind: str, default: str, values: list[str], left: bool
) -> None:
    told = [(A, value) for value in values]
    found = filled("status", kind, *told, required=True, default=default)
    assert (found is None) == left


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (None, None),
        ("'x'::text", "x"),
        ("'it''s'::character varying(3)", "it's"),
        ("0", "0"),
        ("'-1'::integer", "-1"),
        ("(-1)", "-1"),
        ("true", "true"),
        ("now()", None),
        ("nextval('a_seq'::regclass)", None),
        ("('a'::text || 'b'::text)", None),
    ],
)
def test_a_default_is_known_where_it_is_a_constant(
    default: str | None, expected: str | None
) -> None:
    assert default_of(Column(name="x", type="text", default=default)) == expected


def test_a_default_that_says_that_it_has_not_run_is_none() -> None:
    for default in ("'pending'::text", "'failed'"):
        column = Column(name="status", type="text", default=default)
        assert needs_value(column)
        assert filling(column, Told(()), table="t") is None
    column = Column(name="success", type="boolean", default="false")
    assert needs_value(column)
    found = filling(column, Told(()), table="t")
    assert found is not None
    assert found.sql == "true"
    assert not needs_value(Column(name="success", type="boolean", default="true"))


def test_rows_whose_file_is_gone_say_less_of_names_than_those_of_files() -> None:
    """As in a ledger of numbers, which knows no more of them."""
    gone, known = ("1", "001_gone.py"), (B, "002_b.py")
    assert made("name", "text", gone, known, files=(B,)) == "002_b.py"
    assert made("name", "text", gone, known) is None
    assert made("name", "text", ("001_gone", "001_gone.py"), files=(B,)) == "002_b.py"


@pytest.mark.parametrize(
    "name",
    ["checksum", "Hash", "md5", "sha256", "checksum_sha256", "file_hash", "sha_1", "digest"],
)
def test_a_checksum_is_known_by_its_name(name: str) -> None:
    assert is_checksum(Column(name=name, type="character varying(64)"))
    assert not is_checksum(Column(name=name, type="bytea"))
    assert not is_checksum(Column(name=f"no{name}s", type="text"))
