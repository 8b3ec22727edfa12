"""Read from a SQL text what it does to its session.

This is no parser: it knows constants, quoted names, bodies of functions and comments well enough
not to look for words inside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

#: What a `;` or a word inside of does not count. A comment has no group of its own.
_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)"
    r"|\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$"
    r"|(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"",
    re.DOTALL,
)
_TOKEN_OR_END = re.compile(f"{_TOKEN.pattern}|;", re.DOTALL)

_BEGINS = re.compile(r"(BEGIN(?!\s+ATOMIC)|START\s+TRANSACTION)\b", re.IGNORECASE)
_ROLLBACK = r"(?:ABORT|ROLLBACK(?!\s+(((WORK|TRANSACTION)\s+)?TO|PREPARED)\b))"
_ROLLS_BACK = re.compile(rf"{_ROLLBACK}\b", re.IGNORECASE)
_ENDS = re.compile(rf"(COMMIT(?!\s+PREPARED\b)|PREPARE\s+TRANSACTION|{_ROLLBACK})\b", re.IGNORECASE)
#: Counts only as a whole text: a function in the SQL standard's form may hold "; END".
_END = re.compile(r"\s*END(\s+(WORK|TRANSACTION))?[\s;]*", re.IGNORECASE)
_CHAINED = re.compile(r"AND\s+CHAIN\s*$", re.IGNORECASE)

_SET = re.compile(r"SET\s+(?:(SESSION|LOCAL)\s+)?(.+)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r'((?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))*)\s*(?:=|TO\b)', re.IGNORECASE)
_SET_CONFIG = re.compile(r"\bset_config\s*\(\s*(?:'([\w.]+)'|)", re.IGNORECASE)
#: Decides where the record of a migration goes, and who writes it.
_STEERS = re.compile(r"ROLE|SESSION\s+AUTHORIZATION|SCHEMA|\"?search_path\b", re.IGNORECASE)
_RUNS_CODE = re.compile(r"DO\b", re.IGNORECASE)
#: Where a statement of PL/pgSQL may begin.
_STARTS = re.compile(r";|\b(?:BEGIN|THEN|ELSE|LOOP)\b", re.IGNORECASE)

_CLIENT_ENCODING = "SET client_encoding = 'UTF8'"
_DEFAULTS = ("isolation", "read_only", "deferrable")


def as_text(query: Any) -> str | None:
    """Return what is given to a cursor of the driver's as text; None for None."""
    if query is None or isinstance(query, str):
        return query
    return query.decode(errors="replace") if isinstance(query, bytes) else str(query)


def terminated(statement: str) -> str:
    """Return the statement with exactly one semicolon at its end, one that counts.

    A text of nothing but comments stays as it is.
    """
    statement = statement.strip()
    bare = _TOKEN.sub(lambda token: " " if token["comment"] else "x", statement).strip()
    if not bare.strip("; \t\r\n"):
        return statement if not bare else ""
    if statement.endswith(";") and bare.endswith(";") and not _ends_in_comment(statement):
        return statement.rstrip("; \t\r\n") + ";"
    if bare.endswith(";"):
        return statement
    return f"{statement}\n;" if _ends_in_comment(statement) else f"{statement};"


def leaves_open(statement: str) -> bool | None:
    """Return whether the session is in a transaction after this text; None if it does not say."""
    if _END.fullmatch(_TOKEN.sub(" ", statement)):
        return False
    last = None
    for piece in pieces(statement):
        if _BEGINS.match(piece):
            last = True
        elif _ENDS.match(piece):
            last = bool(_CHAINED.search(piece))
    return last


def ends_transaction(statement: str) -> bool:
    """Return whether this text commits or rolls back, now or in the course of it."""
    if _END.fullmatch(_TOKEN.sub(" ", statement)):
        return True
    return any(_ENDS.match(piece) for piece in pieces(statement))


def rolls_back(statement: str) -> bool:
    """Return whether this text begins with a ROLLBACK of the whole transaction."""
    first = next((piece for piece in pieces(statement) if piece), "")
    return _ROLLS_BACK.match(first) is not None


def undoing(statement: str) -> list[str]:
    """Return the SQL that puts back the role and the settings that this text changes."""
    found: list[str] = []
    for piece in pieces(statement):
        candidates = [piece]
        if _RUNS_CODE.match(piece):
            candidates = [part.strip() for part in _STARTS.split(piece)]
        for candidate in candidates:
            found += _undoing_set(candidate)
        found += [_reset(match[1]) for match in _SET_CONFIG.finditer(piece)]
        if re.match(r"(RESET|DISCARD)\s+ALL\b", piece, re.IGNORECASE):
            found.append(_CLIENT_ENCODING)
    return [text for each in found for text in each.split("; ")]


def spans(statement: str) -> Iterator[tuple[str, bool]]:
    """Return the pieces of a text in order, True with those constant, quoted or a comment."""
    start = 0
    for match in _TOKEN.finditer(statement):
        if match.start() > start:
            yield statement[start : match.start()], False
        yield match[0], True
        start = match.end()
    if start < len(statement):
        yield statement[start:], False


def _undoing_set(statement: str) -> Iterator[str]:
    match = _SET.match(statement)
    if match is None:
        return
    what = match[2].split()[0].upper()
    if what in {"CONSTRAINTS", "TRANSACTION"}:
        return
    if (match[1] or "").upper() == "LOCAL" and not _STEERS.match(match[2]):
        return  # over with the transaction, and no matter to the record in it
    if what == "AUTHORIZATION" or re.match(r"SESSION\s+AUTHORIZATION", match[2], re.IGNORECASE):
        yield "RESET SESSION AUTHORIZATION"
    elif what == "CHARACTERISTICS":
        yield from (f"RESET default_transaction_{name}" for name in _DEFAULTS)
    elif what == "TIME":
        yield "RESET TIME ZONE"
    elif what == "ROLE":
        yield "RESET ROLE"
    elif what == "SCHEMA":
        yield "RESET search_path"
    elif what == "NAMES":
        yield _CLIENT_ENCODING
    elif name := _NAME.match(match[2]):
        yield _reset(name[1])


def _reset(name: str | None) -> str:
    if name is None:  # a name that only the run knows
        return f"RESET ALL; {_CLIENT_ENCODING}"
    if name.lower() == "client_encoding":
        return _CLIENT_ENCODING
    return "RESET ROLE" if name.lower() == "role" else f"RESET {name}"


def pieces(statement: str) -> Iterator[str]:
    """Return the statements of a text, without comments, blank ones included."""
    piece: list[str] = []
    start = 0
    for match in _TOKEN_OR_END.finditer(statement):
        piece.append(statement[start : match.start()])
        start = match.end()
        if match[0] == ";":
            yield "".join(piece).strip()
            piece.clear()
        else:
            piece.append(" " if match["comment"] else match[0])
    yield "".join([*piece, statement[start:]]).strip()


def _ends_in_comment(statement: str) -> bool:
    last = None
    for token in _TOKEN.finditer(statement):
        last = token
    return (
        last is not None
        and last["comment"] is not None
        and last["comment"].startswith("--")
        and last.end() == len(statement)
    )
