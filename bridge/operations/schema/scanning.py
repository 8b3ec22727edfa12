"""Scan SQL text for what stands outside of its quotes and comments.

Text in, places out: nothing here knows what a statement means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

#: What can hold anything: a string, a name in quotes, a body between dollars, a comment.
QUOTED: Final = r"""
    (?<![\w$]) [eE] ' (?: [^'\\] | \\. | '' )* '
  | ' (?: [^'] | '' )* '
  | " (?: [^"] | "" )* "
  | (?<![\w$]) (?P<dollar> \$ (?: [^\W\d] \w* )? \$ ) .*? (?P=dollar)
"""
_COMMENT: Final = r"-- [^\n]* | /\* .*? \*/"
_STATEMENT_PART: Final = re.compile(
    rf"(?P<end> ; ) | (?P<comment> {_COMMENT} ) | {QUOTED}", re.VERBOSE | re.DOTALL
)
_PART: Final = re.compile(
    rf"(?P<open> [(\[] ) | (?P<close> [)\]] ) | (?P<comma> , ) | {QUOTED}", re.VERBOSE | re.DOTALL
)


def statements(sql: str) -> Iterator[tuple[int, str]]:
    """Return each statement with the number of its first line, counted from 1.

    Comments are left out. A body that is no string (BEGIN ATOMIC … END) comes in pieces, none of
    which begins with a word that begins or ends a transaction, but for its END.
    """
    begun, text = 0, ""
    for match in _STATEMENT_PART.finditer(sql):
        if match["end"]:
            yield from _statement(sql, begun, text + sql[begun : match.start()])
            begun, text = match.end(), ""
        elif match["comment"]:
            if text.strip() or sql[begun : match.start()].strip():
                text += sql[begun : match.start()]
            begun = match.end()
    yield from _statement(sql, begun, text + sql[begun:])


def _statement(sql: str, begun: int, text: str) -> Iterator[tuple[int, str]]:
    stripped = text.strip()
    if stripped:
        lead = len(sql[begun:]) - len(sql[begun:].lstrip())
        yield sql.count("\n", 0, begun + lead) + 1, stripped


def split_list(text: str) -> tuple[str, list[str], str] | None:
    """Split the first list in parentheses at its commas: what is before it, its parts, the rest.

    None if the text has no such list.
    """
    depth, begun, before, parts = 0, 0, "", []
    for match in _PART.finditer(text):
        if match["open"]:
            depth += 1
            if depth == 1:
                before, begun = text[: match.start()], match.end()
        elif match["close"]:
            depth -= 1
            if depth == 0:
                parts.append(text[begun : match.start()].strip())
                return before.strip(), [part for part in parts if part], text[match.end() :].strip()
        elif match["comma"] and depth == 1:
            parts.append(text[begun : match.start()].strip())
            begun = match.end()
    return None


def take_name(text: str) -> tuple[str, str]:
    """Split a text after the name that it begins with, in quotes or not; the quotes stay."""
    match = re.match(r'(?:"(?:[^"]|"")*"|[^\s"(),;.]+)', text)
    name = match[0] if match else ""
    return name, text[len(name) :].strip()
