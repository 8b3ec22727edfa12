"""Whose fault each of PostgreSQL's errors is."""

from __future__ import annotations

import pytest
from psycopg2 import errorcodes

from bridge.execution.causes import Blame, advice_on_server, blame, lacks_right

FILE, NOBODY, ELSEWHERE, ALREADY = Blame.FILE, Blame.NOBODY, Blame.ELSEWHERE, Blame.ALREADY

#: Of an upgrade, and of a downgrade where that is something else. By class, then what differs.
TABLE = {
    "03": FILE,  # statement not yet complete
    "08": NOBODY,  # the connection
    "0A": FILE,  # not supported by this release
    "21": FILE,
    "22": FILE,  # data
    "23": FILE,  # constraints
    "25": FILE,  # transaction states
    "25006": ELSEWHERE,  # read-only
    "25P03": NOBODY,  # time limits that end the session
    "25P04": NOBODY,
    "26": FILE,
    "28": FILE,  # a connection of the file's own
    "2B": FILE,  # something depends on it
    "34": FILE,
    "3B": FILE,
    "3D000": (FILE, ALREADY),
    "3F000": (FILE, ALREADY),
    "40": NOBODY,  # rolled back because of others
    "42": FILE,  # syntax and names
    "42501": ELSEWHERE,  # a right
    "42P04": ALREADY,
    "42P06": ALREADY,
    "42P07": ALREADY,
    "42701": ALREADY,
    "42710": ALREADY,
    "42723": ALREADY,
    "42P01": (FILE, ALREADY),
    "42703": (FILE, ALREADY),
    "42704": (FILE, ALREADY),
    "42883": (FILE, ALREADY),
    "44": FILE,
    "53": ELSEWHERE,  # disk, memory, connections
    "54": FILE,  # too many columns, a row of an index that is too long
    "55": FILE,  # an object in a state that it must not be in
    "55P03": NOBODY,  # a lock
    "57": NOBODY,  # somebody stepped in
    "57P04": ELSEWHERE,  # the database was dropped
    "58": ELSEWHERE,  # the server's machine
    "72000": NOBODY,
    "F0": ELSEWHERE,
    "HV": FILE,
    "P0": FILE,  # PL/pgSQL
    "XX": ELSEWHERE,
}
STATES = sorted(
    code
    for name, code in vars(errorcodes).items()
    if name.isupper() and isinstance(code, str) and len(code) == 5
)


class FailedError(Exception):
    """As the driver's."""

    def __init__(self, state: str, text: str = "", schema: str | None = None) -> None:
        super().__init__(text)
        self.pgcode = state
        self.diag = type("Diag", (), {"schema_name": schema})


@pytest.mark.parametrize("state", STATES)
def test_each_error_is_blamed_as_the_table_says(state: str) -> None:
    expected = TABLE.get(state) or TABLE.get(state[:2], FILE)
    up, down = expected if isinstance(expected, tuple) else (expected, expected)
    assert blame(FailedError(state), "upgrade") is up
    assert blame(FailedError(state), "downgrade") is down


@pytest.mark.parametrize("state", STATES)
def test_what_is_not_the_files_fault_is_explained(state: str) -> None:
    """The two limits for sessions are in time_limits, those for locks in advice."""
    error = FailedError(state, "canceling statement due to user request")
    told = advice_on_server(error)
    elsewhere = {"25P03", "25P04", "55P03", "40P01"}
    if blame(error, "upgrade") in {NOBODY, ELSEWHERE} and state not in elsewhere:
        assert told or lacks_right(error) or state in {"40000", "40002", "40003", "57000", "57P05"}
    else:
        assert told is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FailedError("42P16", 'multiple primary keys for table "t" are not allowed'), ALREADY),
        (FailedError("42P16", "column cannot be declared twice"), FILE),
        (FailedError("55006", 'database "d" is being accessed by other users'), NOBODY),
        (
            FailedError("55006", 'cannot ALTER TABLE "t" because it has pending trigger events'),
            FILE,
        ),
        (FailedError("XX000", "tuple concurrently updated"), NOBODY),
        (FailedError("0A000", 'extension "e" is not available'), ELSEWHERE),
        (FailedError("23505", "duplicate key", schema="pg_catalog"), ALREADY),
        (FailedError("23505", "duplicate key", schema="public"), FILE),
        (FailedError("", "FATAL:  sorry, too many clients already"), ELSEWHERE),
        (ValueError("no more"), FILE),
    ],
)
def test_the_words_decide_where_one_code_has_several_meanings(
    error: Exception, expected: Blame
) -> None:
    assert blame(error, "upgrade") is expected


def test_a_statement_that_a_limit_has_cancelled_is_told_by_its_limit() -> None:
    error = FailedError("57014", "canceling statement due to statement timeout")
    assert blame(error, "upgrade") is NOBODY
    assert advice_on_server(error) is None
