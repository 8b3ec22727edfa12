"""Find what a migration's function takes, from the annotation of its first parameter.

Nothing is executed. What a parameter is called says nothing: `def upgrade(connection)` that uses a
Session is an ordinary file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.files.conventions import Argument

#: Classes by their own names, whatever module they are of.
_CLASSES: Final = {
    "Session": Argument.SESSION,
    "scoped_session": Argument.SESSION,
    "Engine": Argument.ENGINE,
    "Connection": Argument.CONNECTION,
    "connection": Argument.DBAPI,
    "cursor": Argument.CURSOR,
    "Cursor": Argument.CURSOR,
    "DictCursor": Argument.CURSOR,
    "RealDictCursor": Argument.CURSOR,
    "NamedTupleCursor": Argument.CURSOR,
}
#: A driver's, which calls its connection as SQLAlchemy does.
_DRIVERS: Final = frozenset({"psycopg", "psycopg2", "sqlite3", "asyncpg"})

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Annotated:
    """What an annotation says."""

    argument: Argument
    #: The class by its own name.
    name: str
    #: The line and the name of the parameter.
    line: int
    parameter: str


def annotated(function: ast.AST | None, module: ast.Module) -> Annotated | None:
    """Read the annotation of the first parameter; None where there is none, or it says no kind.

    What a decorator hands over is known only when it runs.
    """
    if not isinstance(function, _FUNCTIONS) or function.decorator_list:
        return None
    parameter = next(iter([*function.args.posonlyargs, *function.args.args]), None)
    annotation = parameter.annotation if parameter else None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    if parameter is None or annotation is None:
        return None
    known = imported(module)
    found = list(filter(None, (_kind(_whole(name, known)) for name in _names(annotation))))
    # `Session | Connection` takes what it gets.
    if len({argument for argument, _ in found}) != 1:
        return None
    argument, name = found[0]
    return Annotated(argument, name, parameter.lineno, parameter.arg)


def _whole(name: str, known: Mapping[str, str]) -> str:
    """Put what was imported in place of the name that the file has for it."""
    first, dot, rest = name.partition(".")
    return f"{known.get(first, first)}{dot}{rest}"


def _kind(dotted: str) -> tuple[Argument, str] | None:
    module, _, name = dotted.rpartition(".")
    if name == "Connection" and module.split(".")[0] in _DRIVERS:
        return Argument.DBAPI, name
    found = _CLASSES.get(name)
    return (found, name) if found else None


def imported(module: ast.Module) -> dict[str, str]:
    """Map the names that imports of this file give, to what they import."""
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` gives the name `a`, and that is what it is.
                first = alias.name.partition(".")[0]
                found[alias.asname or first] = alias.name if alias.asname else first
    return found


def _names(annotation: ast.expr) -> Iterator[str]:
    """List the classes that an annotation names, with the modules before them."""
    match annotation:
        case ast.Name(id=name):
            yield name
        case ast.Attribute():
            yield ast.unparse(annotation)
        case ast.BinOp(left=left, right=right):
            yield from _names(left)
            yield from _names(right)
        case ast.Subscript(slice=inside):
            yield from _names(inside)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _names(part)
