"""Write out what a terminal would obey, in texts that others have written.

Names of files, rows, roles and applications, descriptions, and what a server says may hold any
character. One that moves the cursor, or turns the order of a line round, could make a terminal or
a log say what nobody has said. SQL for other programs is not escaped: it has to stay what it is.
"""

from __future__ import annotations

from typing import Any, Final

#: C0 without the tab and the end of a line, DEL, and C1, which begin what a terminal obeys.
_CONTROLS: Final = (*range(9), *range(11, 32), *range(127, 160))
#: What ends a line where no terminal ends it, and what turns the order of letters round.
_SEPARATORS: Final = (0x2028, 0x2029)
_DIRECTIONS: Final = (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x2070))
#: The bytes of C1 in a name that is not text, as Python holds them.
_RAW: Final = {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(128, 160)}

_ESCAPES: Final = _RAW | {
    code: chr(code).encode("unicode_escape").decode()
    for code in (*_CONTROLS, *_SEPARATORS, *_DIRECTIONS)
}


def escaped(text: str) -> str:
    r"""Return the text as Python would write it where a terminal would obey it: `\x1b[2J`.

    Tabs and ends of lines stay. So does everything that is only hard to read.
    """
    return text if text.isprintable() else text.replace("\r\n", "\n").translate(_ESCAPES)


def in_one_line(text: str) -> str:
    """Return the text escaped, ends of lines and tabs included: a name has none."""
    return escaped(text).replace("\n", r"\n").replace("\t", r"\t")


def json_text(value: object, **options: Any) -> str:
    """Return the value as JSON in printable ASCII; `options` are those of `json.dumps`."""
    import json

    # It escapes everything but this one, which stands in no JSON but in a string.
    return json.dumps(value, **options).replace("\x7f", r"\u007f")
