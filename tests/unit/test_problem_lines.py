"""A problem of a file, as a pipe and as a terminal gets it."""

from __future__ import annotations

from bridge.checks.rules import problem
from bridge.cli.problems import at_a_terminal, in_a_pipe
from bridge.reporting.layout import laid_out

FOUND = problem(
    "needs-autocommit",
    "migrations/012_a.py",
    12,
    "PostgreSQL refuses CREATE INDEX CONCURRENTLY inside a transaction.",
    'Put it into a file of its own with `transaction = "autocommit"`.',
)


def shown(text: str, width: int = 80) -> list[str]:
    lines = at_a_terminal(FOUND, lambda *_: text)
    rows = [row for line in lines for row in laid_out(line, width)]
    return ["".join(each.text for each in row).rstrip() for row in rows]


def test_a_pipe_gets_a_line_and_what_to_do() -> None:
    line, advice = in_a_pipe(FOUND)
    assert line == (
        "migrations/012_a.py:12: error: PostgreSQL refuses CREATE INDEX CONCURRENTLY inside a "
        "transaction. [needs-autocommit]"
    )
    assert advice == '    Put it into a file of its own with `transaction = "autocommit"`.'


def test_a_terminal_gets_the_source_with_a_mark_under_it() -> None:
    assert shown("    db.execute(index)  # now") == [
        "error[needs-autocommit]: PostgreSQL refuses CREATE INDEX CONCURRENTLY inside a",
        "  transaction.",
        "  --> migrations/012_a.py:12",
        "   |",
        "12 |     db.execute(index)  # now",
        "   |     ^^^^^^^^^^^^^^^^^^^^^^^^",
        '   = Put it into a file of its own with `transaction = "autocommit"`.',
        "",
    ]


def test_a_long_line_of_source_is_cut_where_the_terminal_ends() -> None:
    code = "    db.execute(" + "a + " * 40 + "b)"
    rows = shown(code, width=60)
    assert f"12 | {code[:54]}…" in rows
    assert f"   |     {'^' * 51}" in rows


def test_a_tab_is_as_wide_as_its_mark() -> None:
    rows = shown("\tdb.commit()")
    assert rows[4:6] == ["12 |     db.commit()", "   |     ^^^^^^^^^^^"]


def test_without_its_source_a_problem_has_its_place() -> None:
    assert shown("")[2:] == [
        "--> migrations/012_a.py:12",
        ' = Put it into a file of its own with `transaction = "autocommit"`.',
        "",
    ]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert "12 |     x = '\\x1b[2J'" in shown("    x = '\x1b[2J'")
