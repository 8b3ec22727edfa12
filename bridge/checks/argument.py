"""Check that a function is content with what it gets: the rule `not-a-session`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from bridge.checks.argument_kinds import PARAMETERS
from bridge.checks.argument_use import ArgumentUse, Evidence
from bridge.checks.rules import Problem, problem
from bridge.checks.syntax import Function, top_level_function
from bridge.files.argument import annotated
from bridge.files.conventions import OURS, Argument, Conventions

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLED: Final[dict[Argument, str]] = {
    Argument.SESSION: "a SQLAlchemy Session",
    Argument.CONNECTION: "a Connection",
    Argument.ENGINE: "an Engine",
    Argument.DBAPI: "a connection of the driver",
    Argument.CURSOR: "a cursor of the driver",
}
_IN_A_SESSION: Final = {
    Argument.DBAPI: "{db}.connection().connection",
    Argument.CURSOR: "{db}.connection().connection.cursor()",
}


def argument_problems(
    path: str, module: ast.Module, conventions: Conventions = OURS
) -> Iterator[tuple[str, Problem]]:
    """Find which of the two functions expect something else than they get, and what shows it.

    Each problem comes with "upgrade" or "downgrade". Raises RecursionError for a file that is
    nested too deeply.
    """
    for direction in ("upgrade", "downgrade"):
        name = conventions.function(direction)
        function = top_level_function(name, module)
        if function is None:
            continue
        said = annotated(function, module)
        argument = said.argument if said else conventions.argument
        evidence = first_evidence(function, module, argument)
        if evidence is not None:
            message = f"`{name}` gets {CALLED[argument]}, {_shown(evidence)}"
            advice = _advice(evidence, argument, is_annotated=said is not None)
            yield direction, problem("not-a-session", path, evidence.line, message, advice)


def first_evidence(
    function: Function, module: ast.Module, argument: Argument = Argument.SESSION
) -> Evidence | None:
    """Find the first sign that a function expects something else; None if it works with this."""
    parameter = next(iter([*function.args.posonlyargs, *function.args.args]), None)
    # What a decorator hands over is known only when it runs.
    if parameter is None or function.decorator_list:
        return None
    use = ArgumentUse(module, argument)
    use.follow(function, parameter.arg)
    if use.evidence:
        return min(use.evidence, key=lambda evidence: evidence.line)
    kind = PARAMETERS.get(parameter.arg, argument)
    if kind is argument or use.has_attribute or use.is_inspected or not use.is_passed_on:
        return None
    return Evidence(function.lineno, kind, "parameter", parameter.arg, parameter.arg)


def _shown(evidence: Evidence) -> str:
    """Say what shows it, as the rest of a sentence."""
    name = evidence.name
    called = CALLED[evidence.kind] if evidence.kind else None
    match evidence.sign:
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


def _advice(evidence: Evidence, argument: Argument, *, is_annotated: bool) -> str:
    db, kind = evidence.given, evidence.kind
    if evidence.sign == "string":
        return f'Write `{db}.{evidence.name}(text("…"))`, with `from sqlalchemy import text`.'
    setting = ""
    if kind is not None:
        setting = (
            f"Correct the annotation of `{db}`, if it is {CALLED[kind]}. "
            if is_annotated
            else f"If the files of this folder take {CALLED[kind]}, put `argument = {kind}` into "
            "alembic.ini. "
        )
    if argument is not Argument.SESSION:
        return f"{setting}Else use what {CALLED[argument]} has." if setting else "Use what it has."
    instead = _IN_A_SESSION.get(kind or argument, "{db}.connection()").format(db=db)
    what = CALLED[kind] if kind in _IN_A_SESSION else "a Connection"
    write = f'rite `{db}.execute(text("…"))`, or use `{instead}`, which is {what} in the '
    return f"{setting}{'Else w' if setting else 'W'}{write}migration's transaction."
