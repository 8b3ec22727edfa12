"""What is told of a statement that somebody else is running."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.operations.lock_status import shape_of


@pytest.mark.parametrize(
    ("statement", "shape"),
    [
        ("VACUUM", "VACUUM"),
        ("\n\n   CREATE  INDEX\ti ON t (a)\n  WHERE b", "CREATE INDEX i ON t (a)"),
        ("SELECT 'ada' || E'it\\'s', 12, 1.5e3, t1.c2", "SELECT ? || ?, ?, ?, t1.c2"),
        ('UPDATE "a 1" SET x = $1, y = -7', 'UPDATE "a 1" SET x = $1, y = -?'),
        ("/* for ada */ DELETE FROM t -- now\nWHERE a", "DELETE FROM t"),
        ("DO $x$ secret $x$", "DO ?"),
        ("INSERT INTO t VALUES ('cut off in the mid", "INSERT INTO t VALUES (…"),
        ("DO $body$ secret", "DO …"),
        ("SELECT 1 /* a secret", "SELECT ? …"),
        ("", ""),
        ("SELECT " + "x, " * 100, "SELECT " + ("x, " * 100)[:192] + "…"),
    ],
)
def test_constants_and_comments_are_left_out(statement: str, shape: str) -> None:
    assert shape_of(statement) == shape


@given(st.text(alphabet="secrt'"), st.integers(0, 60))
def test_no_piece_of_a_constant_is_left_wherever_the_server_cuts(secret: str, cut: int) -> None:
    quoted = "'" + ("geheim" + secret).replace("'", "''") + "'"
    sent = f"SELECT {quoted}, f({quoted}) FROM t"
    assert "g" not in shape_of(sent[:cut])
