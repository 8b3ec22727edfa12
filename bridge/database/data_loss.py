"""Say which data a statement of SQL loses.

It reads the text, and asks no database whether there is any data to lose. An UPDATE, and a type
that is narrower than before, are not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.database.sql_text import pieces, spans

_PART = r'(?:"(?:[^"]|"")*"|[\w$]+)'
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_IF = r"(?:IF\s+EXISTS\s+)?"

#: The words before what is lost, and how that is told.
_KINDS = (
    (rf"DROP\s+TABLE\s+{_IF}", "all rows of {}"),
    (r"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?", "all rows of {}"),
    (rf"DROP\s+SCHEMA\s+{_IF}(?=.*\bCASCADE\b)", "all tables of {}"),
    (rf"DROP\s+(?:TYPE|DOMAIN)\s+{_IF}(?=.*\bCASCADE\b)", "all columns of the type {}"),
    (rf"DROP\s+EXTENSION\s+{_IF}(?=.*\bCASCADE\b)", "all that needs the extension {}"),
    (rf"DROP\s+DATABASE\s+{_IF}", "the database {}"),
    (r"DROP\s+OWNED\s+BY\s+", "all that {} owns"),
)
_FLAGS = re.IGNORECASE | re.DOTALL
_WHOLE = [
    (re.compile(rf"{words}({_NAME}(?:\s*\*?\s*,\s*{_NAME})*)", _FLAGS), told)
    for words, told in _KINDS
]
_DELETES = re.compile(rf"(?<!ON\s)\bDELETE\s+FROM\s+(?:ONLY\s+)?({_NAME})", _FLAGS)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_ALTERS = re.compile(rf"ALTER\s+TABLE\s+{_IF}(?:ONLY\s+)?({_NAME})\s*\*?\s+(.*)", _FLAGS)
#: DROP CONSTRAINT and the like, and ALTER COLUMN … DROP DEFAULT, lose no data.
_COLUMN = re.compile(
    rf"(?:^|,)\s*DROP\s+(?!CONSTRAINT\b)(?:COLUMN\s+)?{_IF}({_NAME})", re.IGNORECASE
)
_BODY = re.compile(r"\$([^$]*)\$(.*)\$\1\$", re.DOTALL)


def data_losses(text: str) -> Iterator[str]:
    """Return what each statement of the text loses, such as `all rows of widgets`.

    The code of a DO block is looked through too; that of a function, which does not run now, is
    not.
    """
    for piece in pieces(text):
        if re.match(r"DO\b", piece, re.IGNORECASE):
            yield from _of_block(piece)
        else:
            yield from _of_statement(_without_constants(piece))


def _of_block(piece: str) -> Iterator[str]:
    for body in _BODY.finditer(piece):
        for each in re.split(r";|\b(?:BEGIN|THEN|ELSE|LOOP)\b", body[2], flags=re.IGNORECASE):
            yield from _of_statement(_without_constants(each.strip()))


def _of_statement(statement: str) -> Iterator[str]:
    for words, told in _WHOLE:
        if match := words.match(statement):
            yield told.format(_in_line(match[1]))
            return
    if match := _ALTERS.match(statement):
        for column in _COLUMN.finditer(match[2]):
            yield f"the column {_in_line(column[1])} of {_in_line(match[1])}"
        return
    if re.match(r"(WITH|DELETE)\b", statement, re.IGNORECASE):
        some = "rows" if _WHERE.search(statement) else "all rows"
        yield from (f"{some} of {_in_line(match[1])}" for match in _DELETES.finditer(statement))


def _without_constants(statement: str) -> str:
    return "".join(
        "''" if is_token and not text.startswith('"') else text
        for text, is_token in spans(statement)
    )


def _in_line(name: str) -> str:
    return " ".join(name.split())
