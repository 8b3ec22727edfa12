"""Read the syntax tree of a migration: its functions, their arguments and the SQL it writes down.

Data in, data out, and nothing is executed.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Methods that send the SQL they are given.
EXECUTES: Final = frozenset({"execute", "exec_driver_sql", "scalar", "scalars"})

#: What stands in the SQL for a part that only the run knows.
_UNKNOWN: Final = "x"
#: Functions that take a text and give the same SQL.
_WRAPPERS: Final = frozenset({"text", "dedent", "DDL"})
#: Methods after which SQL is still about what it was.
_METHODS: Final = frozenset({"format", "strip", "replace", "bindparams", "columns"})
#: A name that is made of itself would never end.
_DEEPEST: Final = 50


def top_level_function(name: str, module: ast.Module) -> Function | None:
    """Find a function at the top of the file; the last definition is the one that counts."""
    found = [each for each in module.body if isinstance(each, Function) and each.name == name]
    return found[-1] if found else None


def positional_parameters(function: Function) -> list[str]:
    """List the parameters that a call can fill by position."""
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def arguments_for(function: Function, call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Pair the parameters of a function with what this call gives them."""
    yield from zip(positional_parameters(function), call.args, strict=False)
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.arg, keyword.value


def with_aliases(names: frozenset[str], nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Add the names that are given one of these, directly or by another, and nothing else."""
    given: defaultdict[str, list[str]] = defaultdict(list)
    stored: Counter[str] = Counter()
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=value)):
                given[name].append(value)
            case ast.Name(id=name, ctx=ast.Store()):
                stored[name] += 1
    only_names = {name for name, values in given.items() if len(values) == stored[name]}
    while more := {name for name in only_names - names if names.issuperset(given[name])}:
        names |= more
    return names


@dataclass(frozen=True, slots=True)
class Constants:
    """The names of a file that are given a value once."""

    values: Mapping[str, ast.expr]

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

    def sql_of(self, call: ast.Call) -> str | None:
        """Return the SQL that `call` sends, with `x` for unknown parts; None if none is known."""
        match call:
            case ast.Call(func=ast.Attribute(attr=method), args=[statement, *_]):
                return self._text(statement, _WRAPPERS) if method in EXECUTES else None
        return None

    def is_string(self, node: ast.expr) -> bool:
        """Return whether this is a string, and not the `text()` that a Session wants."""
        return self._text(node, frozenset({"dedent"})) is not None

    def _text(self, node: ast.expr, wrappers: frozenset[str], depth: int = 0) -> str | None:
        if depth > _DEEPEST:
            return None
        inner: ast.expr
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self._text(part, wrappers, depth + 1) or _UNKNOWN for part in parts)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                beginning = self._text(left, wrappers, depth + 1)
                rest = self._text(right, wrappers, depth + 1)
                return None if beginning is None else beginning + (rest or _UNKNOWN)
            case ast.BinOp(left=inner, op=ast.Mod()):
                pass
            case ast.Name(id=name) if name in self.values:
                inner = self.values[name]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[inner, *_]) if (
                name in wrappers
            ):
                pass
            case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _METHODS:
                pass
            case _:
                return None
        return self._text(inner, wrappers, depth + 1)
