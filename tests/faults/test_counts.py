"""The page of faults says what the tests do."""

from __future__ import annotations

from pathlib import Path

import support.faults
from support.faults import FAULTS, Fault, table
from support.pages import page

HERE = Path(__file__).parent


def test_the_page_has_the_table_of_the_tests() -> None:
    found = "\n".join(line for line in page("faults").splitlines() if line.startswith("|"))
    assert found == table(), f"the table should be:\n{table()}"


def test_every_fault_that_is_counted_is_in_a_test() -> None:
    tests = "".join(file.read_text() for file in HERE.parent.rglob("test_*.py"))
    names = [name for name, value in vars(support.faults).items() if isinstance(value, Fault)]
    assert len(names) == len(FAULTS)
    for name in names:
        # A test takes its number from the table, in one of these ways.
        assert any(f"{name}.{use}" in tests for use in ("times", "share(", "cases(")), name
