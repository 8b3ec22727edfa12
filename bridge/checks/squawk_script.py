"""Write the statements of a file as one script, and trace what squawk finds back to them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from bridge.checks.squawk import SYNTAX_ERROR, Finding, Squawk
from bridge.database.sql_text import terminated

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.checks.captured_sql import CapturedStatement


class Script:
    """The statements of one file, one after the other."""

    def __init__(self, head: str, captured: Collection[CapturedStatement]) -> None:
        """`head` is one line of SQL before all statements, which is none of them; or empty."""
        self.statements: list[CapturedStatement] = []
        self._lines = [head]
        self._starts: list[int] = []
        for each in captured:
            if text := terminated(each.sql):
                self.statements.append(each)
                self._starts.append(len(self._lines))
                self._lines += text.split("\n")

    def text(self, *, without: Collection[int] = ()) -> str:
        """Return the whole script; the statements of these numbers are left empty."""
        lines = list(self._lines)
        ends = [*self._starts[1:], len(lines)]
        for number in without:
            start, end = self._starts[number], ends[number]
            lines[start:end] = [""] * (end - start)
        return "\n".join(lines) + "\n"

    def number_at(self, line: int) -> int:
        """Find which statement has this line, counted from 0; the nearest where none has."""
        return max(bisect_right(self._starts, line) - 1, 0)

    def line_within(self, line: int) -> int:
        """Count how far a line is below the first one of its statement, as it was sent."""
        number = self.number_at(line)
        sql = self.statements[number].sql
        stripped = sql[: len(sql) - len(sql.lstrip())].count("\n")
        return max(line - self._starts[number], 0) + stripped


def look(
    squawk: Squawk, script: Script, name: str, *, in_transaction: bool
) -> tuple[list[Finding], list[int]]:
    """Return what squawk finds, and the numbers of the statements that it cannot read.

    One of these would keep it from looking at the others, so it looks again without them.
    """
    unread: set[int] = set()
    while True:
        sql = script.text(without=unread)
        found = squawk.look(sql, name=name, in_transaction=in_transaction)
        broken = {script.number_at(each.line) for each in found if each.rule == SYNTAX_ERROR}
        if not broken:
            return found, sorted(unread)
        if broken <= unread:  # it complains of what is not there any more
            return [], list(range(len(script.statements)))
        unread |= broken
