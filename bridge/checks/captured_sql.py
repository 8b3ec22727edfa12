"""The statements that migrations send, each with the place in the plain file that it came from.

Here they are caught, written as SQL without parameters, and put together as a script of which
each line can be traced back. What is wrong with them is for others to say.
"""

from __future__ import annotations

import ast
import inspect
import re
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg2 import Error as DriverError

from bridge.checks.ignore_comments import Ignored
from bridge.database.literals import NoLiteralError, literal
from bridge.database.sql_text import terminated
from bridge.files.plain_file import PlainFile
from bridge.reporting.reporter import Direction, Reporter

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACEHOLDER = re.compile(r"%\((?P<name>\w+)\)s|%s|%%")


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement that a file has sent."""

    #: As SQLAlchemy gave it to the driver.
    statement: str
    #: The lines of the file that were being executed, the innermost first.
    lines: tuple[int, ...]
    #: As SQL, with parameters in it and as many lines as the statement.
    sql: str = field(compare=False)


class Catcher(Reporter):
    """Keeps what the wanted files send; of the run only what a person must know is told."""

    def __init__(self, inner: Reporter, folder: str, wanted: Collection[str]) -> None:
        self._inner = inner
        self._folder = folder
        self._wanted = wanted
        self._path = ""
        self._now: dict[Sent, None] = {}
        self._by_stem: dict[str, dict[Sent, None]] = {}
        self.command = inner.command

    def of(self, stem: str) -> list[Sent]:
        """What this file has sent, in that order; what a loop sends again and again, once."""
        return list(self._by_stem.get(stem, ()))

    def unreachable(self, sentence: str, waited: float) -> None:
        self._inner.unreachable(sentence, waited)

    def waiting(self, sentence: str) -> None:
        self._inner.waiting(sentence)

    def blocked(self, sentence: str) -> None:
        self._inner.blocked(sentence)

    def started(self, stem: str, description: str, direction: Direction) -> None:  # noqa: ARG002
        self._path = PlainFile(self._folder, stem).path
        self._now = {}  # also where a file is tried again
        if stem in self._wanted:
            self._by_stem[stem] = self._now

    def statement(self, statement: str, parameters: object) -> None:
        first = parameters[0] if isinstance(parameters, list) and parameters else parameters
        sent = Sent(statement, tuple(_lines_in(self._path)), as_sql(statement, first))
        self._now.setdefault(sent)


def _lines_in(path: str) -> Iterator[int]:
    """The lines at which the file stands on this thread's stack, from the inside."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == path:
            yield frame.f_lineno
        frame = frame.f_back


def as_sql(statement: str, parameters: Any) -> str:
    """Write a statement for psycopg2 as SQL that a parser can read; its lines stay its lines."""
    values: Mapping[str, Any] = parameters if isinstance(parameters, Mapping) else {}
    several = iter(() if isinstance(parameters, Mapping | None) else parameters)

    def written(placeholder: re.Match[str]) -> str:
        if placeholder[0] == "%%":
            return "%"
        name = placeholder["name"]
        return _literal(values.get(name) if name else next(several, None))

    # None is the one value for which psycopg2 leaves a % alone.
    return statement if parameters is None else _PLACEHOLDER.sub(written, statement)


def _literal(value: object) -> str:
    try:
        # A line break in a value would move the lines after it; what it says does not matter.
        return literal(value).replace("\n", " ").replace("\r", " ")
    except (NoLiteralError, DriverError, ValueError, TypeError):
        return "NULL"


class Script:
    """The statements of one file, one after the other."""

    def __init__(self, head: str, sent: Collection[Sent]) -> None:
        """`head` is one line of SQL that comes first and is nobody's, or empty."""
        self.sent: list[Sent] = []
        self._lines = [head]
        self._starts: list[int] = []
        for each in sent:
            if text := terminated(each.sql):
                self.sent.append(each)
                self._starts.append(len(self._lines))
                self._lines += text.split("\n")

    def text(self, *, without: Collection[int] = ()) -> str:
        """The whole script; the statements of these numbers are left empty."""
        lines = list(self._lines)
        ends = [*self._starts[1:], len(lines)]
        for number in without:
            start, end = self._starts[number], ends[number]
            lines[start:end] = [""] * (end - start)
        return "\n".join(lines) + "\n"

    def number_at(self, line: int) -> int:
        """Which statement has this line, counted from 0; the nearest where none has."""
        return max(bisect_right(self._starts, line) - 1, 0)

    def line_within(self, line: int) -> int:
        """How many lines below its first one a line is in its statement, as it was sent."""
        number = self.number_at(line)
        sql = self.sent[number].sql
        stripped = sql[: len(sql) - len(sql.lstrip())].count("\n")
        return max(line - self._starts[number], 0) + stripped


class Source:
    """The text of a plain file, to find in it where a statement is written."""

    def __init__(self, source: str) -> None:
        module = ast.parse(source)
        self._ignored = Ignored.of(source, module)
        self._statements = [node for node in ast.walk(module) if isinstance(node, ast.stmt)]
        self._texts = list(_texts(module))

    def line_of(self, sent: Sent, within: int) -> int | None:
        """The line that says what the statement says `within` lines below its first."""
        if (text := self._text_of(sent)) is None:
            return sent.lines[0] if sent.lines else None
        first, last = _span(text)
        # One that is put together from pieces, or has \n in it, has other lines than its value.
        whole = last - first == sent.statement.count("\n")
        return min(first + within, last) if whole else first

    def silences(self, rule: str, sent: Sent, line: int | None) -> bool:
        """Whether a comment silences this rule for this statement."""
        lines: set[int | None] = {line}
        for each in sent.lines:
            lines.update(self._around(each))
        if (text := self._text_of(sent)) is not None:
            first, last = _span(text)
            lines.update(range(first, last + 1))
            lines.update(self._around(first))
        return any(self._ignored.silences(rule, each) for each in lines)

    def _text_of(self, sent: Sent) -> ast.expr | None:
        """The string in the file that is this statement; the nearest one of several."""
        here = set(self._around(sent.lines[0])) if sent.lines else set()
        wanted = _as_typed(sent.statement)
        same = [node for node in self._texts if _value(node) == wanted]
        near = [node for node in same if node.lineno in here]
        if near or same:
            return (near or same)[0]
        # With values put into it it is nowhere as it was sent; but it has as many lines.
        breaks = sent.statement.count("\n")
        alike = [
            node
            for node in self._texts
            if node.lineno in here and breaks and _span(node)[1] - node.lineno == breaks
        ]
        return alike[0] if len(alike) == 1 else None

    def _around(self, line: int) -> Iterator[int]:
        """The lines of the statement of Python that this line is in."""
        spans = [_span(node) for node in self._statements if not hasattr(node, "body")]
        holding = [span for span in spans if span[0] <= line <= span[1]]
        first, last = min(holding, key=lambda span: span[1] - span[0], default=(line, line))
        yield from range(first, last + 1)


def _texts(module: ast.Module) -> Iterator[ast.expr]:
    """The strings of a file; of one with values put into it only the whole."""
    nodes = list(ast.walk(module))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node


def _span(node: ast.AST) -> tuple[int, int]:
    first = int(getattr(node, "lineno", 0))
    return first, int(getattr(node, "end_lineno", None) or first)


def _value(node: ast.AST) -> str | None:
    value = getattr(node, "value", None)
    return value.replace("\\:", ":").strip() if isinstance(value, str) else None


def _as_typed(statement: str) -> str:
    """What was given to `text()`, of which SQLAlchemy has made this."""
    typed = _PLACEHOLDER.sub(
        lambda found: f":{found['name']}" if found["name"] else found[0].replace("%%", "%"),
        statement,
    )
    return typed.strip()
