"""Every error text of bridge, collected from its source: `python -m support.catalogue`.

A text stands where an error is made: `raise FilesError(...)`, or the same without the raise. Where
it is a name or a call, what is assigned to that name in the same module, or returned by a function
of that name, is taken. What only the run knows is shown as `{…}`. In the modules of PIECES a
message is put together from parts, so there every sentence counts.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path

import bridge
from bridge.errors import BridgeError, UsageError
from bridge.findings import MEANINGS

SOURCE = Path(str(bridge.__file__)).parent
FILE = Path(__file__).parent.parent / "catalogue" / "errors.txt"
REGENERATE = "PYTHONPATH=tests python -m support.catalogue > tests/catalogue/errors.txt"

PIECES = (
    "execution.advice",
    "execution.aftermath",
    "execution.causes",
    "execution.failure",
    "execution.psycopg3",
    "execution.refused_record",
    "execution.second_connection",
    "execution.time_limits",
    "execution.transaction",
    "execution.work",
    "files.name_faults",
    "files.unnumbered",
    "files.unreadable",
)
_UNKNOWN = "{…}"
_SENTENCE = 4  # words


@dataclass(frozen=True, order=True)
class Entry:
    """One text, without the place in its module: lines move."""

    module: str
    #: The class and its exit code; empty for a part of a message.
    kind: str
    text: str


def collected() -> str:
    """The whole catalogue."""
    entries = sorted(set(_entries()))
    lines = ["# The texts of all errors, by module. Made by tests/support/catalogue.py."]
    for module, of_module in groupby(entries, key=lambda each: each.module):
        lines += ["", f"bridge.{module}"]
        for kind, of_kind in groupby(of_module, key=lambda each: each.kind):
            lines.append(f"  {kind or 'parts of messages'}")
            for each in of_kind:
                first, *rest = each.text.splitlines() or [""]
                lines += [f"    - {first}", *(f"      {line}".rstrip() for line in rest)]
    return "\n".join(lines) + "\n"


def _entries() -> Iterator[Entry]:
    paths = sorted(SOURCE.rglob("*.py"))
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    functions = {name: values for tree in trees.values() for name, values in _returned(tree)}
    for path, tree in trees.items():
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        reader = _Module(tree, functions)
        errors = set(reader.errors(_codes(module)))
        yield from (Entry(module, *error) for error in errors)
        if module in PIECES:
            told = {text for _, text in errors}
            yield from (Entry(module, "", text) for text in reader.sentences() if text not in told)


def _codes(module: str) -> dict[str, int]:
    """The classes of errors that this module can name, and their exit codes."""
    if module.startswith("environment."):  # Alembic executes them
        return {}
    named = vars(import_module("bridge.errors")) | vars(import_module(f"bridge.{module}"))
    return {
        name: value.exit_code
        for name, value in named.items()
        if inspect.isclass(value) and issubclass(value, BridgeError)
    }


class _Module:
    """What the source of one module says."""

    def __init__(self, tree: ast.Module, functions: dict[str, list[ast.expr]]) -> None:
        self._tree = tree
        #: What the functions of the whole package return.
        self._functions = functions
        self._given = dict(_returned(tree))
        for node in ast.walk(tree):
            for name, value in _assigned(node):
                self._given.setdefault(name, []).append(value)

    def errors(self, codes: dict[str, int]) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self._tree):
            if not isinstance(node, ast.Call):
                continue
            name = _last_name(node.func)
            if node.args and _text(node.args[0]) in MEANINGS:  # found before anything runs
                texts = [_text(part) or _UNKNOWN for part in node.args[1:]]
                yield f"{name}, {_text(node.args[0])}", " ".join(texts)
            if name in codes and node.args:
                kind = f"{name}, exit code {codes[name]}"
                last = node.args[-1]
                # One of two names, of texts that stand in another module, is told as both.
                either = [last.body, last.orelse] if isinstance(last, ast.IfExp) else [last]
                texts = list(self._texts(last)) or [f"{{{ast.unparse(each)}}}" for each in either]
                yield from ((kind, text) for text in texts)
            # What `confirmed` raises is in the words of its caller.
            for given in node.keywords:
                if given.arg == "refusal":
                    yield from (
                        (f"UsageError, exit code {UsageError.exit_code}", text)
                        for text in self._texts(given.value)
                    )

    def sentences(self) -> Iterator[str]:
        documented = {id(node) for node in _docstrings(self._tree)}
        inside = {id(part) for node in ast.walk(self._tree) for part in _parts(node)}
        for node in ast.walk(self._tree):
            if id(node) in documented or id(node) in inside:
                continue
            text = _text(node) or ""
            if len(text.replace(_UNKNOWN, "").split()) >= _SENTENCE:
                yield text

    def _texts(self, node: ast.expr, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        text = _text(node)
        if text is not None:
            yield text
            return
        name = _last_name(node.func if isinstance(node, ast.Call) else node)
        if not name or name in seen:
            return
        given = self._given.get(name)
        if given is None and isinstance(node, ast.Call):
            given = self._functions.get(name)
        for value in given or ():
            yield from self._texts(value, seen | {name})


def _returned(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """The functions and what each of them returns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            returns = [each for each in ast.walk(node) if isinstance(each, ast.Return | ast.Yield)]
            yield node.name, [each.value for each in returns if each.value is not None]


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and what they stand for: what is assigned, or passed under that name."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield _last_name(target), node.value
    elif isinstance(node, ast.AugAssign | ast.AnnAssign) and node.value is not None:
        yield _last_name(node.target), node.value
    elif isinstance(node, ast.keyword) and node.arg is not None:
        yield node.arg, node.value


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST) -> str | None:
    """The text, with `{…}` for what only the run knows; None if there is none at all."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) or _UNKNOWN for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return _choice(node.value) or _UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_text(node.left), _text(node.right)]
        return None if sides == [None, None] else "".join(side or _UNKNOWN for side in sides)
    return _choice(node)


def _choice(node: ast.AST) -> str | None:
    """`{it|them}` for one of two words."""
    if not isinstance(node, ast.IfExp):
        return None
    sides = [_text(node.body), _text(node.orelse)]
    return None if None in sides else f"{{{sides[0]}|{sides[1]}}}"


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """What is told as a part of this text, and not by itself; and what is a pattern."""
    if isinstance(node, ast.JoinedStr | ast.FormattedValue):
        yield from (each for each in ast.walk(node) if each is not node)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
        yield from (each for argument in node.args for each in ast.walk(argument))


def _docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


if __name__ == "__main__":
    sys.stdout.write(collected())
