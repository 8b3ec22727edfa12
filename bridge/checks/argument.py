"""Check that a function is content with a Session: the rule `not-a-session`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from bridge.checks.argument_kinds import CLASSES, PARAMETERS, Kind
from bridge.checks.argument_use import ArgumentUse, Evidence
from bridge.checks.rules import Problem, problem
from bridge.checks.syntax import Function, top_level_function

if TYPE_CHECKING:
    from collections.abc import Iterator

_CALLED: Final[dict[Kind, str]] = {
    "engine": "an Engine",
    "connection": "a Connection",
    "driver": "a connection of the driver",
    "cursor": "a cursor of the driver",
}


def argument_problems(path: str, module: ast.Module) -> Iterator[tuple[str, Problem]]:
    """Find which of the two functions expect something else than a Session, and what shows it.

    Raises RecursionError for a file that is nested too deeply.
    """
    for name in ("upgrade", "downgrade"):
        function = top_level_function(name, module)
        evidence = first_evidence(function, module) if function else None
        if evidence is not None:
            message = f"`{name}` gets a SQLAlchemy Session, {_shown(evidence)}"
            yield name, problem("not-a-session", path, evidence.line, message, _advice(evidence))


def first_evidence(function: Function, module: ast.Module) -> Evidence | None:
    """Find the first sign that a function expects no Session; None if it works with one."""
    parameter = next(iter([*function.args.posonlyargs, *function.args.args]), None)
    # What a decorator hands over is known only when it runs.
    if parameter is None or function.decorator_list:
        return None
    annotated = _annotation(parameter, module)
    if annotated is not None:
        return annotated
    use = ArgumentUse(module)
    use.follow(function, parameter.arg)
    if use.evidence:
        return min(use.evidence)
    kind = PARAMETERS.get(parameter.arg)
    if kind is None or use.has_attribute or use.is_inspected or not use.is_passed_on:
        return None
    return Evidence(function.lineno, kind, "parameter", parameter.arg, parameter.arg)


def _annotation(parameter: ast.arg, module: ast.Module) -> Evidence | None:
    annotation = parameter.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    if annotation is None:
        return None
    imported = _imported_as(module)
    names = [imported.get(name, name) for name in _class_names(annotation)]
    # `Session | Connection` takes what it gets.
    if any(name.endswith("Session") for name in names):
        return None
    known = next((name for name in names if name in CLASSES), None)
    if known is None:
        return None
    return Evidence(parameter.lineno, CLASSES[known], "annotation", known, parameter.arg)


def _imported_as(module: ast.Module) -> dict[str, str]:
    """Map the names that imports of this file give to others to their own names."""
    return {
        alias.asname: alias.name.rpartition(".")[2]
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _class_names(annotation: ast.expr) -> Iterator[str]:
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.BinOp(left=left, right=right):
            yield from _class_names(left)
            yield from _class_names(right)
        case ast.Subscript(slice=inside):
            yield from _class_names(inside)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _class_names(part)


def _shown(evidence: Evidence) -> str:
    """Say what shows it, as the rest of a sentence."""
    name = evidence.name
    called = _CALLED.get(evidence.kind)
    match evidence.sign:
        case "annotation":
            return f"and its annotation says `{name}`."
        case "parameter":
            return f"and its parameter is called `{name}`."
        case "string":
            return f"whose `{name}` does not take a plain string."
        case "passed":
            return f"and `{name}` takes {called} instead."
        case "begin":
            return f"whose `begin()` returns no Connection: `{name}` cannot send SQL."
        case "attribute":
            return f"which has no `{name}`{f': {called} has it' if called else ''}."


def _advice(evidence: Evidence) -> str:
    db = evidence.session
    if evidence.sign == "string":
        return f'Write `{db}.{evidence.name}(text("…"))`, with `from sqlalchemy import text`.'
    if evidence.kind in ("driver", "cursor"):
        return (
            f'Write `{db}.execute(text("…"))`; or use `{db}.connection().connection.cursor()`, '
            "which is a cursor in the migration's transaction."
        )
    return (
        f'Write `{db}.execute(text("…"))`; or use `{db}.connection()`, which is a Connection in '
        "the migration's transaction."
    )
