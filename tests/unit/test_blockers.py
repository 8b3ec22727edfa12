"""How it is told who holds a lock, and how long it takes until the next try."""

from __future__ import annotations

import pytest

from bridge.execution.lock_errors import one_line
from bridge.execution.retry import PAUSES, pause_after
from bridge.locking.blockers import Blocker, described, ending

IDLE = Blocker(
    pid=4711,
    application_name="web",
    role="app",
    state="idle in transaction",
    query_age=725,
    state_age=725,
    transaction_age=725,
)


def blocker(**given: object) -> Blocker:
    known: dict[str, object] = {"pid": 8, "application_name": "", "role": None, "state": None}
    return Blocker(**{**known, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (IDLE, "pid 4711 (application web, role app, idle in transaction for 12 min 5 s)"),
        (
            blocker(state="idle in transaction", query_age=9, state_age=4, transaction_age=3600),
            "pid 8 (idle in transaction for 4 s, its last statement sent 9 s ago, its transaction open for 1 h 0 min)",  # noqa: E501
        ),
        (
            blocker(role="app", state="active", query_age=3, state_age=3, transaction_age=60),
            "pid 8 (role app, running a statement for 3 s, its transaction open for 1 min 0 s)",
        ),
        (
            blocker(state="active", query_age=0.5, transaction_age=0.5, waits_for=(9, 10)),
            "pid 8 (running a statement for 0.5 s, itself waiting for pid 9, 10)",
        ),
        (
            blocker(application_name="psql", role="dba"),
            "pid 8 (application psql, role dba, what it does is not shown to this role)",
        ),
        (blocker(pid=0), "a prepared transaction (SELECT * FROM pg_prepared_xacts shows it)"),
    ],
)
def test_a_blocker_is_told_in_words(who: Blocker, words: str) -> None:
    assert str(who) == words


def test_all_are_named_and_how_to_end_them() -> None:
    other = blocker(pid=12, state="idle", state_age=1)
    assert described([IDLE, other]) == f"{IDLE} and pid 12 (idle for 1 s)"
    assert ending([IDLE]) == (
        "Only if you are sure that it hangs, end it with: SELECT pg_terminate_backend(4711);"
    )
    assert ending([IDLE, other]) == (
        "Only if you are sure that they hang, end them with: SELECT pg_terminate_backend(4711), "
        "pg_terminate_backend(12);"
    )
    assert ending([blocker(pid=0)]) is None


def test_pauses_grow_from_one_second_to_half_a_minute() -> None:
    assert PAUSES == (1.0, 30.0)
    for attempt, least in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (10, 30)]:
        for _ in range(20):
            assert least <= pause_after(attempt) <= min(30, 1.5 * least)


def test_pauses_of_replicas_differ() -> None:
    assert len({pause_after(2) for _ in range(20)}) > 1


def test_a_long_statement_is_cut_in_a_sentence() -> None:
    assert one_line("ALTER\n  TABLE  t") == "ALTER TABLE t"
    assert one_line("x" * 121) == "x" * 120 + " ..."
