"""Read the SQLSTATE of an error, whichever driver raised it."""

from __future__ import annotations


def sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of a driver's error, psycopg2's or psycopg's, wrapped or not."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return str(code) if code else None
