"""Say why there is no text to read where a migration should be, without opening anything."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

#: What may lie there in place of a file; to open some of it waits for ever, or does something.
_KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def why_no_file(path: str) -> str | None:
    """Say what is there and is not a file, and what to do; None if it is one."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - as everything here
    except OSError as error:
        return _why(error)
    if stat.S_ISREG(mode):
        return None
    kind = next((kind for is_one, kind in _KINDS if is_one(mode)), "something else")
    link = "a link to " if os.path.islink(path) else ""  # noqa: PTH114
    return (
        f"this is {link}{kind}, not a file, so it cannot be run. Remove it, or give it a name "
        "that does not end in .py."
    )


def why_not_read(path: str, error: OSError) -> str:
    """Say why opening or reading what is at `path` has failed so, and what to do."""
    return why_no_file(path) or _why(error)


def _why(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOENT, errno.ELOOP}:
        return (
            f"this file cannot be read: {reason}. It was removed, or is a link to a file that "
            "does not exist: put the file back, or remove the link."
        )
    return (
        f"this file cannot be read: {reason}. Give the user that runs migrations the right to "
        "read it."
    )
