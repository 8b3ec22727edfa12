"""Return the words of a driver's error, in one line."""

from __future__ import annotations

import re
from typing import Any

from bridge.database.address import KEEPALIVES

#: What the driver says when the system has given up a connection from which nothing comes.
_NO_SIGN = re.compile(r"(could not (receive|send) data|SSL SYSCALL error).*: Connection timed out")
#: The severities of the server after which there is no session any more.
_LAST = frozenset({"FATAL", "PANIC"})
_FOR_HOW_LONG = (
    " (no sign of the server for as long as tcp_user_timeout says, "
    f"{KEEPALIVES['tcp_user_timeout'] // 1000} s by default)"
)


def first_line(error: BaseException) -> str:
    """The server's or the driver's own words, without position, detail and hint.

    The name of the error where it has no words.
    """
    original = getattr(error, "orig", None) or error
    lines = str(original).strip().splitlines()
    line = lines[0] if lines else type(original).__name__
    return line + _FOR_HOW_LONG if _NO_SIGN.match(line) else line


def ends_session(error: BaseException) -> bool:
    """Return whether the server has said that it ends the session with this error."""
    diag: Any = getattr(getattr(error, "orig", None) or error, "diag", None)
    return getattr(diag, "severity_nonlocalized", None) in _LAST
