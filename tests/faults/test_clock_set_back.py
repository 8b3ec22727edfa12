"""The server's clock is set back between two runs, so that rows come from the future."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.books import Books
from support.faults import CLOCK_SET_BACK
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, LATE, C, D = "001_a", "002_late", "003_c", "004_d"

#: By how much.
STEPS = ["1 second", "1 minute", "1 hour", "1 day", "10 years", "1000 years"]


@pytest.mark.parametrize("step", few(CLOCK_SET_BACK.cases(STEPS)))
def test_the_order_stays_and_a_downgrade_reverts_what_was_applied_last(
    project: Project, step: str
) -> None:
    books = Books(project)
    set_back = f"UPDATE schema_migrations SET applied_at = applied_at + interval '{step}'"
    books.files(A, C)
    assert books.upgrade() == [A, C]
    books.sql(set_back)
    books.files(D)
    assert books.upgrade() == [D]
    books.sql(set_back)
    books.files(LATE)
    assert books.upgrade() == [LATE]
    assert (books.applied, books.pointers) == ([A, C, D, LATE], [LATE])
    books.sql(set_back)
    assert books.upgrade() == []
    for reverted, rest in ((LATE, [A, C, D]), (D, [A, C]), (C, [A])):
        books.downgrade("-1")
        assert books.ran[-1] == f"-{reverted}"
        assert (books.applied, books.pointers) == (rest, rest[-1:])
    assert books.upgrade() == [LATE, C, D]
    assert (books.applied, books.pointers) == ([A, LATE, C, D], [D])
    assert [each for each in books.reporter.warnings if "late" not in each] == []
