"""Find where in a migration file a captured statement is written, and which comments silence it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from bridge.checks.captured_sql import PLACEHOLDER, CapturedStatement
from bridge.checks.ignore_comments import Ignored

if TYPE_CHECKING:
    from collections.abc import Iterator


class StatementPlaces:
    """The text of a file, in which statements are looked for."""

    def __init__(self, source: str) -> None:
        module = ast.parse(source)
        self._ignored = Ignored.of(source, module)
        self._simple = [
            _span(node)
            for node in ast.walk(module)
            if isinstance(node, ast.stmt) and not hasattr(node, "body")
        ]
        self._strings = list(_strings(module))

    def line_of(self, captured: CapturedStatement, within: int) -> int | None:
        """Find the line that says what the statement says `within` lines below its first."""
        string = self._string_of(captured)
        if string is None:
            return captured.lines[0] if captured.lines else None
        first, last = _span(string)
        # A string of several pieces, or with \n in it, has other lines than its value.
        same_lines = last - first == captured.statement.count("\n")
        return min(first + within, last) if same_lines else first

    def silences(self, rule: str, captured: CapturedStatement, line: int | None) -> bool:
        """Return whether a comment silences this rule for this statement."""
        lines: set[int | None] = {line}
        for each in captured.lines:
            lines.update(self._around(each))
        string = self._string_of(captured)
        if string is not None:
            first, last = _span(string)
            lines.update(range(first, last + 1), self._around(first))
        return any(self._ignored.silences(rule, each) for each in lines)

    def _string_of(self, captured: CapturedStatement) -> ast.expr | None:
        """Find the string that is this statement; of several the one where it is sent."""
        here = self._around(captured.lines[0]) if captured.lines else range(0)
        wanted = _as_typed(captured.statement)
        same = [node for node in self._strings if _value(node) == wanted]
        if same:
            return next((node for node in same if node.lineno in here), same[0])
        # An f-string is nowhere as it was sent, but it has as many lines.
        breaks = captured.statement.count("\n")
        alike = [
            node
            for node in self._strings
            if node.lineno in here and breaks and _span(node)[1] - node.lineno == breaks
        ]
        return alike[0] if len(alike) == 1 else None

    def _around(self, line: int) -> range:
        """Find the lines of the Python statement that this line is in."""
        holding = [(first, last) for first, last in self._simple if first <= line <= last]
        first, last = min(holding, key=lambda span: span[1] - span[0], default=(line, line))
        return range(first, last + 1)


def _strings(module: ast.Module) -> Iterator[ast.expr]:
    """List the strings of a file; f-strings as a whole, without their parts."""
    nodes = list(ast.walk(module))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node


def _span(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno


def _value(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("\\:", ":").strip()
    return None


def _as_typed(statement: str) -> str:
    """Return what `text()` was given, which SQLAlchemy has made into this."""
    typed = PLACEHOLDER.sub(
        lambda found: f":{found['name']}" if found["name"] else found[0].replace("%%", "%"),
        statement,
    )
    return typed.strip()
