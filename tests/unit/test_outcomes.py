"""Rows that say that their migration did not succeed."""

from __future__ import annotations

import pytest

from bridge.ledger.columns import OUTCOME_COLUMNS
from bridge.ledger.history import Row
from bridge.ledger.layout import Layout
from bridge.ledger.outcomes import denies, not_done
from bridge.ledger.state import State


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("success", ["false", "f", "0", "no", "failed", "FALSE"]),
        ("is_success", ["false"]),
        ("Succeeded", ["0"]),
        ("ok", ["n"]),
        ("completed", ["0"]),
        ("status", ["failed", "FAILED", "Failure", "error", "pending", "running", "started"]),
        ("state", ["in progress", "in_progress", "rolled_back", "rolled back", "rollback"]),
        ("outcome", ["reverted", "aborted", "canceled", "cancelled"]),
        ("direction", ["down"]),
        ("rolled_back", ["true", "1", "t"]),
        ("rolled_back_at", ["2024-01-02 03:04:05"]),
        ("is_reverted", ["true"]),
        ("failed", ["true"]),
    ],
)
def test_a_row_that_says_so_is_found(column: str, values: list[str]) -> None:
    assert all(denies(column, value) for value in values)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("success", ["true", "t", "1", "yes", None, ""]),
        ("status", ["success", "applied", "done", "0", "skipped", "up", None, "anything"]),
        ("direction", ["up"]),
        ("rolled_back", ["false", "f", "0", None]),
        ("rolled_back_at", [None, ""]),
        ("failures", ["true"]),
        ("name", ["failed", "down", "0"]),
        ("batch", ["0"]),
        ("applied", ["2024-01-02"]),
    ],
)
def test_any_other_row_has_succeeded(column: str, values: list[str | None]) -> None:
    assert not any(denies(column, value) for value in values)


def test_the_columns_that_the_fast_path_leaves_alone_are_of_these() -> None:
    for column in OUTCOME_COLUMNS:
        assert any(denies(column, value) for value in ("false", "failed", "true", "2024-01-02"))


def test_each_row_is_found_once_with_what_would_say_the_contrary() -> None:
    columns: dict[str, tuple[str, list[str | None]]] = {
        "success": ("boolean", ["true", "false", "true", "true", "true"]),
        "status": ("text", ["fine", "failed", "failed", "fine", "fine"]),
        "rolled_back_at": ("timestamp without time zone", [None, None, None, "2024-01-01", None]),
        "reverted": ("integer", ["0", "0", "0", "0", "1"]),
    }
    state = State(
        ledger="l",
        version_table="v",
        exists=True,
        ours=False,
        rows=tuple(map(Row, "abcde")),
        certain=True,
        pointers=(),
        layout=Layout({name: kind for name, (kind, _) in columns.items()}),
        others={name: values for name, (_, values) in columns.items()},
    )
    assert [(each.row.version, each.column, each.success) for each in not_done(state)] == [
        ("b", "success", "true"),
        ("c", "status", "fine"),
        ("d", "rolled_back_at", None),
        ("e", "reverted", "0"),
    ]


@pytest.mark.parametrize(
    ("column", "kind", "value", "success"),
    [
        ("success", "boolean", "false", "true"),
        ("success", "smallint", "0", "1"),
        ("status", "text", "failed", "success"),
        ("rolled_back", "boolean", "true", "false"),
    ],
)
def test_where_all_have_failed_the_type_tells_what_would_say_the_contrary(
    column: str, kind: str, value: str, success: str
) -> None:
    state = State(
        ledger="l",
        version_table="v",
        exists=True,
        ours=False,
        rows=(Row("a"),),
        certain=True,
        pointers=(),
        layout=Layout({column: kind}),
        others={column: [value]},
    )
    (found,) = not_done(state)
    assert found.success == success
