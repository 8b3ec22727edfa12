"""The description of a migration whose text begins in the usual way, without parsing all of it.

A listing of a thousand files would spend most of its time in Python's parser. What is found here
is what `bridge.files.header` finds in the same text, provided that it is Python; whether it is,
nobody looks. A text that begins in any other way is left to `bridge.files.header`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME: Final = "description"

# Compiled when the first text is read: most starts read none.
_MIGRATION_PREFIX: Final = r"(?i:migration\s*:\s*)"
#: PostgreSQL's TEXT can hold neither a null character nor half of a surrogate pair.
_UNSTORABLE: Final = "[\x00\ud800-\udfff]"

# Everything ends with its line and nothing holds a backslash, so that each line below begins
# where a statement begins, outside of all blocks, brackets and strings.
_NOTHING: Final = r"(?:[ \t]*+(?:\#[^\n]*+)?\n)*+"
_END: Final = r"[ \t]*+(?:\#[^\n]*+)?(?:\n|\Z)"
_STRING: Final = r"""(?:"[^"\\\n]*+"|'[^'\\\n]*+')"""
_LONG_STRING: Final = (
    r'''(?:"""[^"\\]*+(?:"{1,2}(?!")[^"\\]*+)*+"""|'''
    r"""'''[^'\\]*+(?:'{1,2}(?!')[^'\\]*+)*+''')"""
)
_NAMES: Final = r"""[^\n\\()"'\#;]*+"""
_IMPORT: Final = rf"""(?:import|from)[ ]{_NAMES}(?:\([^\\()"'\#;]*+\))?{_END}"""
_CONSTANT: Final = rf"[A-Za-z_][A-Za-z_0-9]*+[ ]*+=[ ]*+(?:{_STRING}|True|False|None){_END}"
_HEAD: Final = (
    rf"{_NOTHING}(?:(?P<docstring>{_LONG_STRING}|{_STRING}){_END}(?P<after>{_NOTHING}))?+"
    rf"(?:(?:(?!{_NAME}\b)(?:{_IMPORT}|{_CONSTANT}){_NOTHING})*+"
    rf"{_NAME}(?:[ ]*+:[ ]*+str)?[ ]*+=[ ]*+(?P<value>{_STRING}){_END})?+"
)


def description_at_a_glance(source: str) -> str | None:
    """The `description` at the head of a text, else its docstring's first line, or None.

    None says nothing about the text: it is to be parsed.
    """
    found = head_at_a_glance(source)
    return found and found[0]


def head_at_a_glance(source: str) -> tuple[str, str] | None:
    """The same, and the docstring as it is written, empty if there is none."""
    head = _head().match(source)
    if head is None or "\0" in source:
        return None
    value, docstring = head["value"], _inside(head["docstring"] or "")
    if value is not None:
        end, found = head.end(), value[1:-1]
    elif docstring and "\t" not in docstring:
        # Python would make spaces of a tab.
        end, found = head.start("after"), first_line(docstring) or ""
    else:
        return None
    if not found.strip() or _named_after(end, source):
        return None
    return found, docstring


@cache
def _head() -> re.Pattern[str]:
    return re.compile(_HEAD)


def _inside(literal: str) -> str:
    quotes = 3 if literal[:3] in ('"""', "'''") else 1
    return literal[quotes:-quotes]


def _named_after(end: int, source: str) -> bool:
    """Whether the name is anywhere in the rest, in whatever letters; also where it means nothing.

    True as well where the text has halves of characters, of which nothing can be said.
    """
    if source.isascii():
        return _NAME in source[end:]
    if re.search(_UNSTORABLE, source):
        return True
    # Python takes letters of other widths and styles for the ordinary ones.
    return _NAME in unicodedata.normalize("NFKD", source[end:])


def first_line(docstring: str) -> str | None:
    """The first line of a docstring that says something; a prefix "Migration:" does not."""
    lines: Iterable[str] = (
        re.sub(_MIGRATION_PREFIX, "", line.strip(), count=1) for line in docstring.splitlines()
    )
    return next((line for line in lines if line), None)


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold."""
    if text.isascii() and "\0" not in text:
        return text
    return re.sub(_UNSTORABLE, "\N{REPLACEMENT CHARACTER}", text)
