"""What can have the name of a migration and is no file."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _socket(path: Path) -> None:
    # The whole path of a test's folder is longer than an address may be.
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


#: How to make one, and how a message goes on after its name.
NO_FILES: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "folder": (lambda path: path.mkdir(), "this is a folder, not a file"),
    "pipe": (os.mkfifo, "this is a named pipe, not a file"),
    "socket": (_socket, "this is a socket, not a file"),
    "link to a device": (
        # Whose first byte never comes to an end.
        lambda path: path.symlink_to("/dev/zero"),
        "this is a link to a device, not a file",
    ),
    "link to a folder": (lambda path: path.symlink_to("/"), "this is a link to a folder, not"),
    "link to nothing": (
        lambda path: path.symlink_to("nothing"),
        "this file cannot be read: No such file or directory.",
    ),
    "link to itself": (
        lambda path: path.symlink_to(path.name),
        "this file cannot be read: Too many levels of symbolic links.",
    ),
}
