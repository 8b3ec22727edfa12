"""Find why the functions of a migration cannot be called, or not yet.

A new file has the statement PLACEHOLDER in both functions. It is SQL that no database takes, so
that such a file can never be recorded as applied; it is looked for, so that the file is refused
before anything runs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from bridge.errors import PlainFileError
from bridge.files.conventions import OURS, Argument, Conventions
from bridge.files.shapes import in_place_of, other_function

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.files.bindings import Binding

#: What stands in `text("…")`, or in a cursor's `execute("…")`, in bridge's own template.
PLACEHOLDER: Final = "your SQL"

#: What a function is called with, in words, and what its parameter is called in an example.
CALLED_WITH: Final = {
    Argument.SESSION: ("the Session", "db"),
    Argument.CONNECTION: ("the Connection", "conn"),
    Argument.ENGINE: ("the Engine", "engine"),
    Argument.DBAPI: ("the driver's connection", "conn"),
    Argument.CURSOR: ("the cursor", "cur"),
}

#: Nodes whose insides are a scope of their own, where a `yield` belongs to somebody else.
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def defines(name: str, bindings: Sequence[Binding]) -> bool:
    """Return whether the file has something of this name that could be called."""
    return any(binding.may_be_called for binding in live(name, bindings))


def function_fault(
    path: str,
    direction: str,
    bindings: Sequence[Binding],
    source: str,
    conventions: Conventions = OURS,
) -> PlainFileError | None:
    """Find why the function for this direction could not be called, or None."""
    name = conventions.function(direction)
    found = live(name, bindings)
    if found:
        complaints = [_complaint(b, source, direction, conventions.argument) for b in found]
        if all(complaints):
            return PlainFileError(path, found[-1].line, str(complaints[-1]))
    # A star import may bring it; only the run can tell.
    elif direction == "upgrade" and not any(b.name == "*" for b in bindings):
        return PlainFileError(path, None, _no_upgrade(other_function(bindings, name), conventions))
    return None


def _no_upgrade(other: Binding | None, conventions: Conventions) -> str:
    """Say that there is no `upgrade`; `other` is what another runner would call."""
    name = conventions.upgrade
    if other is None:
        return (
            f"this migration defines no `{name}`. Add `def {_head(name, conventions.argument)}:` "
            "to it, or, if it is not a migration, begin its name with `_`."
        )
    written = str(in_place_of(other, _head(name, conventions.argument), name))
    setting = ""
    if not isinstance(other.node, ast.AsyncFunctionDef):
        setting = (
            f"If all files of this folder call it so, put `upgrade_function = {other.name}` into "
            "alembic.ini; eai migrate init finds that out. Else "
        )
    written = written if setting else f"{written[0].upper()}{written[1:]}"
    return (
        f"this migration defines no `{name}`, but `{other.name}` in line {other.line}. "
        f"{setting}{written} (or, if it is not a migration, begin its name with `_`)."
    )


def head_of(direction: str, conventions: Conventions = OURS) -> str:
    """Return how the function for this direction is defined, as an example."""
    return _head(conventions.function(direction), conventions.argument)


def _head(name: str, argument: Argument) -> str:
    return f"{name}({CALLED_WITH[argument][1]})"


def takes_something(binding: Binding) -> bool:
    """Return whether it can be given an argument, as far as the text tells."""
    arguments = getattr(binding.node, "args", None)
    if not isinstance(arguments, ast.arguments):
        return True  # decorated, or assigned: only the run can tell
    return bool(arguments.posonlyargs or arguments.args or arguments.vararg)


def unwritten(
    path: str,
    direction: str,
    bindings: Sequence[Binding],
    source: str,
    conventions: Conventions = OURS,
) -> PlainFileError | None:
    """Find why the function is not to run yet, or None: nobody has written what it does."""
    name = conventions.function(direction)
    if PLACEHOLDER not in source:  # to look through all bodies takes as long as to parse them
        return None
    line = _placeholder_in(binding.node for binding in live(name, bindings))
    if line is None:
        return None
    instead = (
        "Write the SQL of this migration in its place, or `pass` if there is nothing to do."
        if direction == "upgrade"
        else f"Write the SQL that undoes this migration in its place, or remove `{name}`."
    )
    return PlainFileError(
        path,
        line,
        f"`{name}` is not written yet: it still has the placeholder `{PLACEHOLDER}` of a new file. "
        f"{instead}",
    )


def live(name: str, bindings: Sequence[Binding]) -> list[Binding]:
    """Find the bindings of `name` that may be in force when the module has run."""
    found = [b for b in bindings if b.name == name]
    certain = [i for i, b in enumerate(found) if not b.conditional]
    return found[certain[-1] if certain else 0 :]


def _complaint(binding: Binding, source: str, direction: str, argument: Argument) -> str | None:
    """Find why `binding` cannot be called with its one argument, or None."""
    name, node = binding.name, binding.node
    if not binding.may_be_called:
        if direction == "downgrade" and isinstance(node, ast.Constant) and node.value is None:
            return None
        return f"`{name}` is a constant, not a function. Write `def {_head(name, argument)}:`."
    if isinstance(node, ast.Lambda):
        return _argument_complaint(name, node.args, argument)
    # What a decorator makes of a function is known only when it runs.
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return None
    if isinstance(node, ast.AsyncFunctionDef):
        return (
            f"`{name}` is `async def`: calling it would run nothing. Write `def "
            f"{_head(name, argument)}:` and use {CALLED_WITH[argument][0]} it gets without `await`."
        )
    # To look through the whole body takes as long as to parse it.
    if "yield" in source and _yields(node.body):
        return (
            f"`{name}` contains `yield`: calling it would run nothing. Take the `yield` out, so "
            "that it is an ordinary function."
        )
    return _argument_complaint(name, node.args, argument)


def _argument_complaint(name: str, arguments: ast.arguments, argument: Argument) -> str | None:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    takes_one = (positional or arguments.vararg) and required <= 1
    if takes_one and None not in arguments.kw_defaults:
        return None
    return (
        f"`{name}` is called with one argument, {CALLED_WITH[argument][0]}, but is defined as "
        f"`{name}({ast.unparse(arguments)})`. Write `def {_head(name, argument)}:`."
    )


def _yields(body: Sequence[ast.stmt]) -> bool:
    """Return whether these statements make a generator; no recursion, for deep files."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return False


def _placeholder_in(functions: Iterable[ast.AST | None]) -> int | None:
    """Find the line of the first placeholder in these functions, or None.

    A statement of that kind only: a function that does nothing may be meant so.
    """
    nodes = (node for function in functions if function for node in ast.walk(function))
    return min(filter(None, map(_placeholder_line, nodes)), default=None)


def _placeholder_line(node: ast.AST) -> int | None:
    match node:
        case ast.Call(
            func=ast.Name(id="text") | ast.Attribute(attr="text" | "execute"),
            args=[ast.Constant(value=str(text))],
            lineno=line,
        ) if text.strip() == PLACEHOLDER:
            return line
    return None
