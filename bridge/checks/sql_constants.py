"""The SQL that a call sends, as far as the text of the file has it as a constant."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Stands for what only the run knows.
UNKNOWN: Final = "x"

_SENDS: Final = frozenset({"execute", "exec_driver_sql", "scalar", "scalars"})


@dataclass(frozen=True, slots=True)
class Constants:
    """The names of a file that are given one text, once."""

    texts: Mapping[str, ast.expr]

    @classmethod
    def of(cls, module: ast.Module) -> Constants:
        """Look for them everywhere in the file."""
        found = [
            (target.id, node.value)
            for node in ast.walk(module)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        times = Counter(name for name, _ in found)
        return cls({name: value for name, value in found if times[name] == 1})

    def sql(self, call: ast.Call) -> str | None:
        """The statement that `call` sends; None if nothing of it is known."""
        match call:
            case ast.Call(func=ast.Attribute(attr=method), args=[statement, *_]):
                return self._text(statement, 0) if method in _SENDS else None
        return None

    def _text(self, node: ast.expr, depth: int) -> str | None:
        if depth > 50:  # noqa: PLR2004 - a name that is made of itself
            return None
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self._text(part, depth + 1) or UNKNOWN for part in parts)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                beginning = self._text(left, depth + 1)
                rest = self._text(right, depth + 1)
                return None if beginning is None else beginning + (rest or UNKNOWN)
            case ast.BinOp(left=left, op=ast.Mod()):
                return self._text(left, depth + 1)
            case ast.Name(id=name) if name in self.texts:
                return self._text(self.texts[name], depth + 1)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]):
                return self._text(first, depth + 1) if name in ("text", "dedent", "DDL") else None
            case ast.Call(
                func=ast.Attribute(value=inner, attr="format" | "strip" | "bindparams" | "columns")
            ):
                return self._text(inner, depth + 1)
        return None
