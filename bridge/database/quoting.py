"""Quote names and constants for SQL: the only place that does."""

from __future__ import annotations

from functools import cache
from typing import Any


def quote(name: str) -> str:
    """Return a name in quotes, where SQL needs them."""
    preparer = _preparer()
    # Some letters beyond ASCII are equal to one of it where case does not count (a dotless i).
    return str(preparer.quote(name) if name.isascii() else preparer.quote_identifier(name))


@cache
def _preparer() -> Any:
    from sqlalchemy.dialects import postgresql  # a start with nothing to do goes without

    # Leaves a % alone: `text()` doubles it for the driver.
    return postgresql.dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


def always_quote(name: str) -> str:
    """Return a name in quotes, whether it needs them or not."""
    return '"' + name.replace('"', '""') + '"'


def constant(value: str) -> str:
    """Return a string constant that no standard_conforming_strings can change."""
    doubled = value.replace("'", "''")
    if "\\" in value:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def readable_constant(value: str) -> str:
    """Return a string constant as a person types it; invisible characters become numbers."""
    text = "'" + value.replace("'", "''") + "'"
    if value.isprintable():
        return text
    shown = text.replace("\\", "\\\\")
    return "E" + "".join(each if each.isprintable() else _escape(each) for each in shown)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - \u has four
