"""Which time limit an error may come from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.execution.time_limits import explain
from bridge.reporting.events import Direction

STATEMENT, TRANSACTION = "statement_timeout", "transaction_timeout"
IDLE = "idle_in_transaction_session_timeout"


class CanceledError(Exception):
    """As the driver raises it."""

    pgcode = "57014"


TIMED_OUT = CanceledError("canceling statement due to statement timeout")
CUT = Exception("server closed the connection unexpectedly")


def of_a_statement(
    settings: dict[str, str], seconds: float, error: Exception = TIMED_OUT
) -> str | None:
    return explain(
        error, gone=False, seconds=seconds, settings=settings, direction=Direction.UPGRADE
    )


def of_a_session(settings: dict[str, str], seconds: float) -> str | None:
    return explain(
        CUT, gone=True, seconds=seconds, settings=settings, direction=Direction.DOWNGRADE
    )


def test_both_limits_of_a_session_are_told_where_both_are_over() -> None:
    assert of_a_session({TRANSACTION: "5min", IDLE: "30s", STATEMENT: "1ms"}, 301) == (
        "It had run for 5 min 1 s, so the server may have ended its session for "
        "transaction_timeout, which is 5min here or idle_in_transaction_session_timeout, which is "
        "30s here. If this file needs longer, begin its downgrade() with: "
        'db.execute(text("SET transaction_timeout = 0; '
        'SET idle_in_transaction_session_timeout = 0")). After the file it is put back.'
    )


@pytest.mark.parametrize(
    ("shown", "seconds"), [("700ms", 0.7), ("30s", 30), ("5min", 300), ("2h", 7200), ("1d", 86400)]
)
def test_a_limit_is_told_as_soon_as_it_is_over(shown: str, seconds: float) -> None:
    for limit, of in ((STATEMENT, of_a_statement), (TRANSACTION, of_a_session)):
        assert of({limit: shown}, seconds * 0.99) is None
        told = of({limit: shown}, seconds)
        assert told is not None
        assert f"{limit}, which is {shown} here" in told


def test_what_a_person_has_canceled_has_met_no_limit() -> None:
    canceled = CanceledError("canceling statement due to user request")
    assert of_a_statement({STATEMENT: "1s"}, 60, canceled) is None


def test_another_error_has_met_no_limit() -> None:
    assert of_a_statement({STATEMENT: "1s"}, 60, ValueError("no")) is None


@given(st.dictionaries(st.sampled_from([STATEMENT, TRANSACTION, IDLE]), st.just("0") | st.text()))
def test_without_a_limit_nothing_is_told(settings: dict[str, str]) -> None:
    assert of_a_statement(settings, 0) is None
    assert of_a_session(settings, 0) is None
    none = dict.fromkeys(settings, "0")
    assert of_a_statement(none, 1e9) is None
    assert of_a_session(none, 1e9) is None
