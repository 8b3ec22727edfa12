"""Return the words of a driver's error, in one line."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The server's or the driver's own words, without position, detail and hint.

    The name of the error where it has no words.
    """
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__
