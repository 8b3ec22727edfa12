"""How a piece of text looks on a terminal with colours, and when there are any."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Style(StrEnum):
    """The style of a piece of text; the value is the ANSI code."""

    BOLD = "1"
    DIM = "2"
    RED = "1;31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"
    #: Source code, in the colour of all other text; a line with it is never folded.
    SOURCE = "39"


class Styled(NamedTuple):
    """A piece of a line in a style; None for how the terminal writes by itself."""

    text: str
    style: Style | None = None


#: A line, or its pieces.
Line = str | tuple[str | Styled, ...]


def wants_colours(*, able: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether to colour what is written to a stream that is `able` to show it.

    NO_COLOR goes before FORCE_COLOR, which counts for a pipe too: see https://no-color.org and
    https://force-color.org.
    """
    if environ.get("NO_COLOR"):
        return False
    return able or bool(environ.get("FORCE_COLOR"))


def painted(text: str, style: Style | None) -> str:
    """Return the text, which is escaped, with the codes of that style."""
    return text if style is None else f"\x1b[{style}m{text}\x1b[0m"
