"""Write SQL statements as the Python of a plain file, one statement a call.

Text in, text out; it knows nothing of Alembic. What is written reads back as the same SQL, apart
from what is outside of constants and quoted names and means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import indent, wrap

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


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, and what a person should know before running it."""

    sql: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unwritten:
    """An operation of which nobody knows the SQL; a comment stands in its place."""

    operation: str
    #: Why, as a part of a sentence.
    reason: str
    #: What Alembic would have written for it, in several lines or none.
    source: str = ""


def as_code(parts: Iterable[Statement | Unwritten]) -> str:
    """Return the body of a function that executes these; its first line is not indented."""
    return "\n\n".join(map(_written, parts)).strip()


def _written(part: Statement | Unwritten) -> str:
    if isinstance(part, Statement):
        return "\n".join([*_comment("\n".join(part.notes)), _code(part.sql)])
    sentence = f"{part.operation} is missing here: {part.reason}. Write its SQL by hand."
    if part.source:
        sentence += " Alembic would write:"
    room = LINE_LENGTH - len(f"{_STEP}# ")
    lines = wrap(sentence, room, break_long_words=False, break_on_hyphens=False)
    return "\n".join(_comment("\n".join([*lines, indent(part.source, "  ")])))


def _comment(text_: str) -> list[str]:
    return [f"{_STEP}# {line}".rstrip() for line in text_.splitlines()]


def _code(sql: str) -> str:
    """Return the line, or lines, of Python that execute this."""
    sql = _tidy(sql)
    escaped_sql = escaped(sql)
    if escaped_sql is not None:
        before, after = "db.execute(text(", "))"
    else:
        # The driver needs an escape for its own sign only.
        escaped_sql = sql.replace("%", "%%")
        before, after = "db.connection().exec_driver_sql(", ")"
    line = f"{_STEP}{before}{literal(escaped_sql)}{after}"
    several = any("\n" in part for part, fixed in spans(escaped_sql) if not fixed)
    if '"""' in escaped_sql or (len(line) <= LINE_LENGTH and not several):
        return line
    if before.endswith("text("):
        before, after = f"db.execute(\n{_STEP * 2}text(", f")\n{_STEP})"
    outer = _STEP * (before.count("\n") + 1)
    string = _in_several_lines(escaped_sql if several else _broken(escaped_sql, outer), outer)
    return f"{_STEP}{before}{string}{after}"


def escaped(sql: str) -> str | None:
    """Return what `text()` reads as this SQL; None if nothing does, as for `' :aa: '`."""
    escaped_sql = _PARAMETER.sub(r"\\\g<0>", _ESCAPED.sub(r"\\\\", sql))
    try:
        read = str(text(escaped_sql).compile(dialect=_DIALECT))
    except (ArgumentError, CompileError):
        return None
    return escaped_sql if read == sql else None


def _in_several_lines(sql: str, outer: str) -> str:
    """Return a literal in triple quotes, each line of it indented."""
    inner = f"\n{outer}{_STEP}"
    body = ""
    for part, fixed in spans(sql):
        escaped_sql = part.replace("\\", "\\\\")
        # A line break in a constant must not take part in the indentation.
        body += "".join(map(_printable, escaped_sql)) if fixed else escaped_sql.replace("\n", inner)
    return f'"""{inner}{body}\n{outer}"""'


def _printable(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def _tidy(sql: str) -> str:
    """Return the statement as people write it; constants and quoted names stay."""
    return "".join(part if fixed else _tidy_space(part) for part, fixed in spans(sql)).strip()


def _tidy_space(part: str) -> str:
    part = re.sub(r" +\n", "\n", part.replace("\t", _STEP))
    # What SQLAlchemy reads back from a server since 15, of which older ones do not know.
    return part.replace(" NULLS DISTINCT", "")


def _broken(sql: str, outer: str) -> str:
    """Break a statement of one line into several, at spaces outside of constants."""
    words = [""]
    for part, fixed in spans(sql):
        first, *others = [part] if fixed else part.split(" ")
        words[-1] += first
        words += others
    lines = words[:1]
    for word in words[1:]:
        if len(f"{outer}{_STEP}{lines[-1]} {word}") > LINE_LENGTH:
            lines.append(_STEP + word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)
