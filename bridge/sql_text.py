"""What can be told about a statement from its text alone."""

from __future__ import annotations

import re


def ends_transaction(statement: str) -> bool:
    """Whether a text ends the transaction, at its beginning or after a semicolon."""
    bare = _QUOTED.sub(" ", statement)
    return bool(_ENDS_AT_ONCE.match(bare) or _ENDS_LATER.search(bare))


def rolls_back(statement: str) -> bool:
    """Whether a text is a ROLLBACK, seen at its beginning."""
    return _ROLLS_BACK.match(_QUOTED.sub(" ", statement)) is not None


#: String constants, bodies of functions, quoted names and comments.
_QUOTED = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_END = r"COMMIT|ROLLBACK(?!\s+(?:(?:WORK|TRANSACTION)\s+)?TO\b)|ABORT|PREPARE\s+TRANSACTION"
_ENDS_AT_ONCE = re.compile(rf"[\s;]*(?:{_END}|END)\b", re.IGNORECASE)
# A function in the SQL standard's form may hold "; END".
_ENDS_LATER = re.compile(rf";\s*(?:{_END})\b", re.IGNORECASE)
_ROLLS_BACK = re.compile(r"[\s;]*(?:ROLLBACK|ABORT)\b", re.IGNORECASE)
