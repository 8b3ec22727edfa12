"""The characters that a terminal obeys, or that turn the order of a line round."""

from __future__ import annotations

from typing import Final

_CODES: Final = (
    *(code for code in range(32) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    # An Arabic mark, the marks, embeddings, overrides and isolates, and two ends of lines.
    *(0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070)),
    # Bytes of C1 that are not text.
    *range(0xDC80, 0xDCA0),
)
OBEYED: Final = "".join(map(chr, _CODES))


def obeyed(text: str) -> str:
    """All of them in this text, in order."""
    return "".join(each for each in text if each in OBEYED)
