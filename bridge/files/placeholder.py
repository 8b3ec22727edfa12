"""The statement that a new file leaves to be written, and where it still stands.

It is SQL that no database takes, so that a file as `eai migrate new` wrote it can never be
recorded as applied; it is looked for, so that such a file is refused before anything runs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What stands in `text("…")` in both functions of bridge's own template.
PLACEHOLDER: Final = "your SQL"


def placeholder_in(functions: Iterable[ast.AST | None], source: str) -> int | None:
    """The line of the first placeholder in these functions; None without any.

    `source` is the text that they stand in. A statement of that kind only: a function that does
    nothing may be meant so.
    """
    if PLACEHOLDER not in source:  # to look through all bodies takes as long as to parse them
        return None
    nodes = (node for function in functions if function for node in ast.walk(function))
    return min(filter(None, map(_placeholder_line, nodes)), default=None)


def _placeholder_line(node: ast.AST) -> int | None:
    match node:
        case ast.Call(
            func=ast.Name(id="text") | ast.Attribute(attr="text"),
            args=[ast.Constant(value=str(text))],
            lineno=line,
        ) if text.strip() == PLACEHOLDER:
            return line
    return None
