"""Find the paths and the lines that a report for CI names.

Readers of such reports know files by their paths from the root of the repository, wherever in it
the command was typed.
"""

from __future__ import annotations

import os
from pathlib import Path


def from_root(path: str) -> str:
    """Return the path from the root of the git repository that the file is in.

    Where there is none, that from the working directory; an absolute one outside of it.
    """
    here = Path.cwd()
    file = Path(os.path.normpath(here / path))
    root = next((each for each in file.parents if (each / ".git").exists()), here)
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()


class Lines:
    """The lines of files, each read once."""

    def __init__(self) -> None:
        self._of: dict[str, list[str]] = {}

    def __call__(self, path: str, line: int) -> str:
        """Return a line, counted from 1; an empty one where it cannot be read."""
        if path not in self._of:
            self._of[path] = _read(path)
        lines = self._of[path]
        return lines[line - 1] if 0 < line <= len(lines) else ""


def _read(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace") if _is_file(path) else ""
    except OSError:
        return []
    return text.split("\n")


def _is_file(path: str) -> bool:
    return Path(path).is_file()  # no named pipe, which nobody may write to
