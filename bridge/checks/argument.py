"""What `check` has to say about a function that takes what it will not get."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from bridge.checks.argument_use import Found, Wish, wished
from bridge.checks.rules import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How the thing is called that is wanted.
_WHOSE: Final[dict[Wish, str]] = {
    "engine": "an Engine",
    "connection": "a Connection",
    "driver": "a connection of the driver",
    "cursor": "a cursor of the driver",
}


def argument_problems(path: str, module: ast.Module) -> Iterator[tuple[str, Problem]]:
    """The problem of each of the two functions that wants something else than a Session."""
    for name in ("upgrade", "downgrade"):
        function = _defined(name, module)
        found = wished(function, module) if function else None
        if found is not None:
            told = f"`{name}` gets a SQLAlchemy Session, {_seen(found)}"
            yield name, problem("not-a-session", path, found.line, told, _mend(found))


def _defined(name: str, module: ast.Module) -> ast.FunctionDef | None:
    """The last definition at the top of the file, which is the one that counts."""
    found = [s for s in module.body if isinstance(s, ast.FunctionDef) and s.name == name]
    return found[-1] if found else None


def _seen(found: Found) -> str:
    """What shows it, as the rest of a sentence."""
    whose = _WHOSE.get(found.wish)
    match found.how:
        case "annotation":
            return f"and its annotation says `{found.name}`."
        case "name":
            return f"and its parameter is called `{found.name}`."
        case "text":
            return f"whose `{found.name}` takes no bare text."
        case "passed":
            return f"and `{found.name}` takes {whose} in its place."
        case "begin":
            return f"whose `begin()` gives nothing to send SQL with, as `{found.name}` does here."
    return f"which has no `{found.name}`{f': that is of {whose}' if whose else ''}."


def _mend(found: Found) -> str:
    db = found.called
    if found.how == "text":
        return f'Write `{db}.{found.name}(text("…"))`, with `from sqlalchemy import text`.'
    if found.wish in ("driver", "cursor"):
        return (
            f'Write `{db}.execute(text("…"))`; or use `{db}.connection().connection.cursor()`, '
            "which is a cursor in the migration's transaction."
        )
    return (
        f'Write `{db}.execute(text("…"))`; or use `{db}.connection()`, which is a Connection in '
        "the migration's transaction."
    )
