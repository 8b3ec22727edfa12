"""Read the comments that silence a rule: `# bridge: ignore the-id`, several ids with commas.

A comment counts for its line, and alone on a line for the next one too. Above the first statement
of a file (the docstring aside) it counts for the whole file.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMENT: Final = re.compile(r"#\s*bridge:\s*ignore\s+([\w\s,-]+)")
#: Nearly all files have no such comment, and are not tokenized.
_MARK: Final = re.compile(r"bridge:\s*ignore")


@dataclass(frozen=True, slots=True)
class Ignored:
    """The rules that one file silences."""

    everywhere: frozenset[str] = frozenset()
    by_line: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: str, module: ast.Module) -> Ignored:
        """Read the comments of a file."""
        if not _MARK.search(source):
            return cls()
        everywhere: frozenset[str] = frozenset()
        by_line: dict[int, frozenset[str]] = {}
        first = _first_statement(module)
        for line, rules, alone in _comments(source):
            if alone and line < first:
                everywhere |= rules
            for silenced in (line, line + 1) if alone else (line,):
                by_line[silenced] = by_line.get(silenced, frozenset()) | rules
        return cls(everywhere, by_line)

    def silences(self, rule: str, line: int | None) -> bool:
        """Return whether a comment silences this rule at this line."""
        return rule in self.everywhere or (line is not None and rule in self.by_line.get(line, ()))


def _first_statement(module: ast.Module) -> float:
    """Find the line of the first statement after the docstring."""
    has_docstring = ast.get_docstring(module, clean=False) is not None
    first = next(iter(module.body[1 if has_docstring else 0 :]), None)
    if first is None:
        return float("inf")
    decorators: list[ast.expr] = getattr(first, "decorator_list", [])
    return min([first.lineno, *(each.lineno for each in decorators)])


def _comments(source: str) -> Iterator[tuple[int, frozenset[str], bool]]:
    """List the line of each such comment, its rules, and whether it is alone on its line."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT and (match := _COMMENT.search(token.string)):
                rules = frozenset(re.split(r"[\s,]+", match[1].strip(" ,\t")))
                yield token.start[0], rules, not token.line[: token.start[1]].strip()
    except (tokenize.TokenError, SyntaxError):
        return  # some text that ast accepts cannot be tokenized: it silences nothing
