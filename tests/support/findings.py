"""What an error says beside what was found: that a command was refused for it."""

from __future__ import annotations

import re
from typing import Final

REFUSED: Final = re.compile(r"\s*\bNothing was changed in the database\.")


def found_in(message: str) -> str:
    """What was found, as a command says it that is not refused."""
    return REFUSED.sub("", message)
