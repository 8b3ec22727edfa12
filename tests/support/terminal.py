"""What a person sees on a terminal after a program has written to it."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.project import Project

_PIECES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal, and keeps what was written."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def screen_of(written: str) -> list[str]:
    """Give the lines that are left on the screen; knows only the codes that bridge uses.

    Raises AssertionError on any other.
    """
    lines, column = [""], 0
    for piece in _PIECES.findall(written):
        if piece == "\n":
            lines.append("")
            column = 0
        elif piece == "\r":
            column = 0
        elif piece == "\x1b[2K":
            lines[-1] = ""
        elif piece.startswith("\x1b"):
            assert piece.endswith("m"), f"unknown control code {piece!r}"
        else:
            line = lines[-1].ljust(column)
            lines[-1] = line[:column] + piece + line[column + len(piece) :]
            column += len(piece)
    return [line.rstrip() for line in lines if line.strip()]


def unfolded(written: str) -> str:
    """Give what was written without colours, and each space and end of a line as one space."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", written).split())


def run_on_terminal(
    project: Project,
    *arguments: str,
    typed: str = "",
    prompt: str = "",
    after: float = 0,
    env: Mapping[str, str | None] | None = None,
) -> tuple[int, str]:
    """Run `eai` as a person would, who types something `after` so many seconds.

    The seconds are counted from the start, or from when the `prompt` is seen. Returns its exit
    code and all that was written to the terminal.
    """
    environ = project.environ({"TERM": "xterm", "NO_COLOR": None, **(env or {})})
    program = Path(sys.executable).parent / "eai"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.path)
        os.execve(program, [str(program), *arguments], environ)
    written = b""
    while prompt.encode() not in written and (piece := _read(terminal)):
        written += piece
    time.sleep(after)
    os.write(terminal, typed.encode())
    while piece := _read(terminal):
        written += piece
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), written.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux tells that the program has ended
        return b""
