"""Refuse variables and arguments whose bytes are not text."""

from __future__ import annotations

import sys

from bridge.errors import UsageError


def decoded(value: str, where: str) -> str:
    """Return the value if its bytes are text, else refuse it; messages call it `where`.

    Python stands a lone surrogate for each byte that it could not decode, and whatever is to
    encode it later fails. Raises UsageError, which never shows the value: it may be a URL. Not for
    the path of a file, which may be made of any bytes.
    """
    if not any("\ud800" <= character <= "\udfff" for character in value):
        return value
    encoding = sys.getfilesystemencoding().upper()
    raise UsageError(
        f"{where} holds bytes that are not text in {encoding}. (It is not shown: it may hold a "
        f"password.) Nothing was started. Write it in {encoding}; in a URL such a character can "
        "also be percent-encoded, as %C3%A9 for é."
    )
