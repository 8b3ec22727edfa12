"""A statement, as much of it as a message shows."""

from __future__ import annotations

import inspect
import re

#: How much of a statement is shown: lines, and characters of each.
_LINES, _WIDTH = 30, 500


def shown(statement: str) -> list[str]:
    """Return the lines of a statement to show, without the indentation of its file."""
    lines = [line.rstrip() for line in inspect.cleandoc(statement).splitlines()]
    lines = [cut(line) for line in lines if line]
    if len(lines) > _LINES:
        return [*lines[:_LINES], f"... ({len(lines) - _LINES} more lines)"]
    return lines


def cut(text: str) -> str:
    """Return the beginning of a text that is too long for a line."""
    return re.sub(r"\s+$", "", text[:_WIDTH]) + " ..." if len(text) > _WIDTH else text
