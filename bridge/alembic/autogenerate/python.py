"""SQL statements as the Python of a plain file, laid out for people.

Text in, text out; it knows nothing of Alembic. What is written reads back as the same SQL, apart
from what is outside of constants and quoted names and means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import dedent, wrap

from sqlalchemy import text
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import ArgumentError, CompileError

from bridge.database.sql_text import spans
from bridge.files.new_file import literal

#: The length at which Ruff and Black break lines if nobody has told them another one.
LINE_LENGTH = 88

#: One step of indentation, in Python and in SQL.
_STEP = " " * 4

#: What `text()` takes for a parameter, and what it reads as an escaped colon.
_PARAMETER = re.compile(r"(?<![:\w\\]):\w+(?!:)")
_ESCAPED = re.compile(r"\\(?=:\w*(?![:\w]))")
#: Compiles `text()` without doubling percent signs.
_DIALECT = DefaultDialect(paramstyle="named")

_ONE_NAME = r'(?:"(?:[^"]|"")*"|[^\s".()]+)'
_NAME = rf"{_ONE_NAME}(?:\.{_ONE_NAME})*"
#: What the first line of a statement keeps that is too long for one line.
_HEADS = (
    re.compile(rf"ALTER [A-Z]+ {_NAME}"),
    re.compile(rf"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?{_NAME}"),
    re.compile(rf"COMMENT ON [A-Z]+ {_NAME}(?: ON {_NAME})?(?= IS )"),
)
#: In front of which words it may be broken once more.
_FURTHER = ("REFERENCES", "WHERE")
_LABELS = re.compile(rf"(CREATE TYPE {_NAME} AS ENUM) \((.*)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and what a person should know before running it."""

    sql: str
    notes: tuple[str, ...] = ()


def as_code(statements: Iterable[Statement]) -> str:
    """The body of a function that executes these, without the indentation of its first line."""
    written = ""
    roomy = False
    for statement in statements:
        comments = "".join(f"{_STEP}# {line}\n" for line in _note_lines(statement.notes))
        code = _code(statement.sql)
        spread = bool(comments) or "\n" in code
        if written and (spread or roomy):
            written += "\n"
        written += f"{comments}{code}\n"
        roomy = spread
    return written.strip()


def _note_lines(notes: Iterable[str]) -> Iterator[str]:
    """Notes in lines that fit behind `# `; what begins a line of its own stays there."""
    for paragraph in "\n".join(notes).splitlines():
        margin = paragraph[: len(paragraph) - len(paragraph.lstrip())]
        width = LINE_LENGTH - len(f"{_STEP}# ")
        yield from wrap(
            paragraph,
            width,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _code(sql: str) -> str:
    """The line, or lines, of Python that execute this."""
    sql = _tidy(sql)
    told = escaped(sql)
    if told is not None:
        before, after = "db.execute(text(", "))"
    else:
        # The driver needs an escape for its own sign only.
        told = sql.replace("%", "%%")
        before, after = "db.connection().exec_driver_sql(", ")"
    line = f"{_STEP}{before}{_in_one_line(told)}{after}"
    several = any("\n" in part for part, fixed in spans(told) if not fixed)
    if not several and len(line) <= LINE_LENGTH:
        return line
    if before.endswith("text("):
        before, after = f"db.execute(\n{_STEP * 2}text(", f")\n{_STEP})"
    outer = _STEP * (before.count("\n") + 1)
    string = _in_several_lines(_broken(told), outer)
    return line if string is None else f"{_STEP}{before}{string}{after}"


def escaped(sql: str) -> str | None:
    """What `text()` reads as this SQL; None if there is no such text, as for `' :aa: '`."""
    told = _PARAMETER.sub(r"\\\g<0>", _ESCAPED.sub(r"\\\\", sql))
    try:
        read = str(text(told).compile(dialect=_DIALECT))
    except (ArgumentError, CompileError):
        return None
    return told if read == sql else None


def _in_one_line(sql: str) -> str:
    """A Python literal; a raw one where a backslash would have to be doubled."""
    quote = next((each for each in "\"'" if each not in sql), None)
    if "\\" in sql and quote and sql.isprintable() and not sql.endswith("\\"):
        return f"r{quote}{sql}{quote}"
    return literal(sql)


def _in_several_lines(sql: str, outer: str) -> str | None:
    """A literal in triple quotes, each line of it indented; None if there is no such literal."""
    quotes = next((each for each in ('"""', "'''") if each not in sql), None)
    if quotes is None:
        return None
    pieces = list(spans(sql))
    # A line break in a constant must not take part in the indentation, nor lose a space before it.
    raw = "\\" in sql and all(part.isprintable() for part, fixed in pieces if fixed)
    inner = f"\n{outer}{_STEP}"
    body = ""
    for part, fixed in pieces:
        told = part if raw else part.replace("\\", "\\\\")
        body += "".join(map(_printable, told)) if fixed else told.replace("\n", inner)
    return f"{'r' if raw else ''}{quotes}{inner}{body}\n{outer}{quotes}"


def _printable(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def _tidy(sql: str) -> str:
    """The statement as people write it; constants and quoted names stay as they are."""
    tidied = "".join(part if fixed else _tidy_space(part) for part, fixed in spans(sql))
    if any(fixed and "\n" in part for part, fixed in spans(tidied)):
        return tidied.strip()
    return dedent(tidied.strip("\n")).strip()


def _tidy_space(part: str) -> str:
    part = re.sub(r" +\n", "\n", part.replace("\t", _STEP))
    # What SQLAlchemy reads back from a server since 15, of which older ones do not know.
    part = part.replace(" NULLS DISTINCT", "")
    return re.sub(r"\bKEY\(", "KEY (", part)


def _broken(sql: str) -> str:
    """A statement of one line over several, where that can be done."""
    if "\n" in sql:
        return sql
    if listed := _LABELS.fullmatch(sql):
        labels = f",\n{_STEP}".join(part for part, fixed in spans(listed[2]) if fixed)
        return f"{listed[1]} (\n{_STEP}{labels}\n)"
    head = next((match for each in _HEADS if (match := each.match(sql))), None)
    if head is None or head.end() == len(sql):
        return sql
    rest = sql[head.end() :].strip()
    for word in _FURTHER:
        if len(_STEP * 4 + rest) > LINE_LENGTH:
            rest = _before(word, rest)
    return f"{head[0]}\n{_STEP}{rest}"


def _before(word: str, sql: str) -> str:
    """The SQL with a new line in front of the first such word outside of a constant."""
    pieces = list(spans(sql))
    for number, (part, fixed) in enumerate(pieces):
        if not fixed and f" {word} " in part:
            broken = part.replace(f" {word} ", f"\n{_STEP}{word} ", 1)
            return "".join(
                [each for each, _ in pieces[:number]]
                + [broken]
                + [each for each, _ in pieces[number + 1 :]]
            )
    return sql
