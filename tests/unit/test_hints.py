"""What the words of statements tell, and what they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.execution.hints import Hints

ORDINARY = [
    "CREATE TABLE t (id integer PRIMARY KEY)",
    "INSERT INTO t (id) VALUES (1)",
    "ALTER TABLE t ADD COLUMN name text",
    "DELETE FROM t",
    "CREATE TABLE u AS SELECT 1 id, 'x' name",
    "INSERT INTO t (id) SELECT 2",
    "UPDATE t SET name = 'x'",
    "ALTER TABLE t ALTER COLUMN id SET NOT NULL",
    "CREATE DOMAIN windows AS text",
]
CHANGING = [
    "SET lock_timeout = '1s'",
    "  reset ALL",
    "DROP TABLE t; SET ROLE x",
    "DROP TABLE t;\n\n  RESET search_path",
    "SELECT set_config('search_path', '', false)",
    "DO 'BEGIN SET search_path = x; END'",
    "SET SESSION AUTHORIZATION x",
    "DISCARD ALL",
]
MAY_CHANGE = [
    "SELECT f()",
    "SELECT * FROM a_view",
    "CREATE TABLE u AS SELECT f(1)",
    "CREATE TABLE u AS SELECT id, name FROM a_view",
    "INSERT INTO t (id) SELECT id FROM a_view",
    "UPDATE t SET name = f(id)",
    "UPDATE t SET name = v.name FROM a_view v",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'jit'",
    "-- as before\rSET jit = off",
    "-- as before\nSET jit = off",
    "/* as before */ SET jit = off",
    "DO 'BEGIN PERFORM f(); END'",
    "CALL p()",
    "EXECUTE prepared",
]
LETTING_GO = [
    "DISCARD ALL",
    "discard\n all",
    "SELECT pg_advisory_unlock_all()",
    "SELECT Pg_Advisory_Unlock(1, 2)",
    "DO 'BEGIN PERFORM pg_advisory_unlock_all(); END'",
    "UPDATE t SET done = pg_advisory_unlock(1)",
]


def noted(*statements: str) -> Hints:
    hints = Hints(may_defer=False)
    for statement in statements:
        hints.note(statement)
    return hints


def test_ordinary_statements_give_no_hint() -> None:
    assert noted(*ORDINARY) == Hints(may_defer=False)


@pytest.mark.parametrize("statement", CHANGING)
def test_a_setting_that_is_changed_is_noticed(statement: str) -> None:
    assert noted(*ORDINARY, statement, *ORDINARY).changes_settings
    assert noted(statement).about_settings


@pytest.mark.parametrize("statement", MAY_CHANGE)
def test_what_runs_code_may_change_settings(statement: str) -> None:
    hints = noted(statement)
    assert (hints.about_settings, hints.changes_settings) == (True, False)


@pytest.mark.parametrize("statement", LETTING_GO)
def test_what_lets_go_of_locks_is_noticed(statement: str) -> None:
    assert noted(statement).lets_go


@pytest.mark.parametrize("statement", ["SELECT pg_advisory_lock(1)", "DISCARD TEMP", "RESET ALL"])
def test_what_keeps_locks_is_not_taken_for_that(statement: str) -> None:
    assert not noted(statement).lets_go


def test_the_statements_about_indexes_are_kept() -> None:
    about = ["CREATE INDEX CONCURRENTLY i ON t (id)", "reindex table t"]
    assert noted(*ORDINARY, *about).about_indexes == about


def test_something_deferred_is_noticed() -> None:
    assert noted("ALTER TABLE t ADD UNIQUE (id) DEFERRABLE").may_defer
    assert noted("SET CONSTRAINTS ALL DEFERRED").may_defer


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE t ADD UNIQUE (id) DEFERRABLE",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET default_transaction_isolation = 'serializable'",
    ],
)
def test_a_commit_that_may_fail_by_itself_is_noticed(statement: str) -> None:
    assert noted(*ORDINARY, statement, *ORDINARY).may_fail


def test_a_commit_of_ordinary_statements_does_not_fail() -> None:
    assert not noted(*ORDINARY, *CHANGING[:5]).may_fail


@given(st.lists(st.sampled_from([*ORDINARY, *CHANGING, *MAY_CHANGE, *LETTING_GO]) | st.text()))
def test_no_later_statement_takes_a_hint_back(statements: list[str]) -> None:
    hints = noted(*statements)
    for each in map(noted, statements):
        assert hints.may_defer >= each.may_defer
        assert hints.about_settings >= each.about_settings
        assert hints.changes_settings >= each.changes_settings
        assert hints.lets_go >= each.lets_go
        assert set(each.about_indexes) <= set(hints.about_indexes)


@pytest.mark.parametrize(
    ("statement", "limits"),
    [
        ("SET LOCAL transaction_timeout = '200ms'", True),
        ("SET idle_in_transaction_session_timeout TO 5000", True),
        ("SELECT set_config('transaction_timeout', '1s', true)", True),
        ("SET transaction_timeout = 0", False),
        ("SET idle_in_transaction_session_timeout TO '0'", False),
        ("SET statement_timeout = '1s'", False),
    ],
)
def test_a_limit_after_which_the_session_ends_is_noticed(statement: str, *, limits: bool) -> None:
    assert noted(statement).limits_session == limits
