"""What a migration does to its database, in order, as far as its text tells.

Data in, data out, and nothing is executed. The functions of the file itself are followed; what is
imported is work nobody knows. Loops and branches are understood just well enough to tell whether
more work can follow.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bridge.checks.sql_constants import Constants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)

#: What gives another way to the same database; the answer of any other call is only data.
_HANDLES: Final = frozenset({"connection", "get_bind", "bind", "inspect"})
#: What asks or changes the Session, and sends nothing.
_SILENT: Final = frozenset({"close", "expire_all", "expunge_all", "get_bind", "in_transaction"})
#: Calls of one file that are followed; beyond that, a function is work nobody knows.
_MOST_FOLLOWED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One call that reaches the database."""

    kind: Literal["commit", "rollback", "work"]
    line: int
    #: Whether it may happen many times in one run.
    in_loop: bool
    #: Whether an error of it can be caught in this file.
    in_try: bool
    #: Whether more work may come after it.
    followed: bool
    #: The SQL that is sent, as far as it is constant, with `x` for the rest; None if unknown.
    sql: str | None


def events_of(module: ast.Module) -> list[Event]:
    """What `upgrade` does, in the order in which it stands; empty if there is no such function.

    Raises RecursionError for a file that is nested too deeply.
    """
    functions = {each.name: each for each in ast.walk(module) if isinstance(each, _Function)}
    upgrade = next(
        (f for f in reversed(module.body) if isinstance(f, _Function) and f.name == "upgrade"),
        None,
    )
    if upgrade is None:
        return []
    flow = _Flow(functions, Constants.of(module))
    flow.function(upgrade, _first_parameter(upgrade), after=False)
    return flow.found[::-1]


def _first_parameter(function: _Function) -> frozenset[str]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return frozenset(argument.arg for argument in arguments[:1])


class _Flow:
    """Walks from the end to the beginning, where it is known whether more work follows."""

    def __init__(self, functions: Mapping[str, _Function], constants: Constants) -> None:
        self.found: list[Event] = []
        self._functions = functions
        self._constants = constants
        self._sessions: frozenset[str] = frozenset()
        self._handles: frozenset[str] = frozenset()
        self._active: list[str] = []
        self._followed = 0
        self._loops = 0
        self._tries = 0

    def function(self, function: _Function, sessions: frozenset[str], *, after: bool) -> bool:
        """Follow a function that has these names for its Session; whether it does any work."""
        outer = self._sessions, self._handles
        # A function inside of another one sees the names around it.
        self._sessions, self._handles = _names_in(function, self._sessions | sessions)
        self._active.append(function.name)
        works = self._block(function.body, after=after)
        self._active.pop()
        self._sessions, self._handles = outer
        return works

    def _block(self, body: Iterable[ast.stmt], *, after: bool) -> bool:
        """Walk a block; whether work may happen from its beginning on."""
        for statement in reversed(list(body)):
            after = self._statement(statement, after=after)
        return after

    def _statement(self, statement: ast.stmt, *, after: bool) -> bool:
        match statement:
            case ast.Return() | ast.Raise():
                return self._calls([statement], after=False)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return after
            case ast.If(test=test, body=body, orelse=orelse):
                otherwise = self._block(orelse, after=after)
                either = self._block(body, after=after) or otherwise
                return self._calls([test], after=either)
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(statement, after=after)
            case ast.Try() | ast.TryStar():
                return self._try(statement, after=after)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                after = self._block(body, after=after)
                return self._calls([item.context_expr for item in items], after=after)
            case ast.Match(subject=subject, cases=cases):
                ways = [self._block(case.body, after=after) for case in reversed(cases)]
                return self._calls([subject], after=after or any(ways))
        return self._calls([statement], after=after)

    def _loop(self, loop: ast.For | ast.AsyncFor | ast.While, *, after: bool) -> bool:
        after = self._block(loop.orelse, after=after)
        again = any(self._event(call) for call in _calls_in(loop.body, nested=True))
        self._loops += 1
        inside = self._block(loop.body, after=after or again)
        self._loops -= 1
        head = loop.test if isinstance(loop, ast.While) else loop.iter
        return self._calls([head], after=after or inside)

    def _try(self, statement: ast.Try | ast.TryStar, *, after: bool) -> bool:
        after = self._block(statement.finalbody, after=after)
        handlers = [self._block(h.body, after=after) for h in reversed(statement.handlers)]
        after = self._block(statement.orelse, after=after)
        self._tries += bool(statement.handlers)
        after = self._block(statement.body, after=after)
        self._tries -= bool(statement.handlers)
        return after or any(handlers)

    def _calls(self, nodes: Sequence[ast.AST], *, after: bool) -> bool:
        calls = sorted(_calls_in(nodes), key=lambda call: (call.end_lineno, call.end_col_offset))
        for call in reversed(calls):
            kind = self._event(call)
            if kind is None:
                continue
            helper = self._helper(call)
            if helper is not None:
                after = self.function(*helper, after=after)
                continue
            self.found.append(
                Event(
                    kind=kind,
                    line=call.lineno,
                    in_loop=self._loops > 0,
                    in_try=self._tries > 0,
                    followed=after,
                    sql=self._constants.sql(call) if kind == "work" else None,
                )
            )
            after = after or kind == "work"
        return after

    def _event(self, call: ast.Call) -> Literal["commit", "rollback", "work"] | None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=method):
                if name in self._sessions and method in ("commit", "rollback"):
                    return "commit" if method == "commit" else "rollback"
                if name in self._sessions | self._handles:
                    return None if method in _SILENT else "work"
            case ast.Name(id=name) if name in self._functions:
                nested = self._functions[name]
                if any(map(self._event_inside, _calls_in(nested.body, nested=True))):
                    return "work"
        passed = [*call.args, *(keyword.value for keyword in call.keywords)]
        handed = any(isinstance(p, ast.Name) and p.id in self._sessions for p in passed)
        return "work" if handed else None

    def _event_inside(self, call: ast.Call) -> bool:
        """Whether a function without arguments uses the Session of the function around it."""
        match call.func:
            case ast.Attribute(value=ast.Name(id=name)):
                return name in self._sessions
        return False

    def _helper(self, call: ast.Call) -> tuple[_Function, frozenset[str]] | None:
        """The function of this file that is called, and its names for the Session."""
        if not isinstance(call.func, ast.Name):
            return None
        function = self._functions.get(call.func.id)
        if function is None or function.name in self._active or self._followed > _MOST_FOLLOWED:
            return None
        self._followed += 1
        parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        pairs = [*zip(parameters, call.args, strict=False)]
        pairs += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg]
        return function, frozenset(
            name
            for name, value in pairs
            if isinstance(value, ast.Name) and value.id in self._sessions
        )


def _names_in(
    function: _Function, sessions: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the Session in a function, and of what else leads to its database."""
    handles: frozenset[str] = frozenset()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                if other in sessions:
                    sessions |= {name}
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if _leads_to_database(value, sessions | handles):
                    handles |= {name}
    return sessions, handles


def _leads_to_database(value: ast.expr, known: frozenset[str]) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)):
            return name in known and method in _HANDLES
        case ast.Call(func=ast.Name(id="inspect")):
            return True
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return name in known and attribute in _HANDLES
    return False


def _calls_in(nodes: Iterable[ast.AST], *, nested: bool = False) -> Iterator[ast.Call]:
    """The calls in these nodes, except in functions that are only defined here.

    Without `nested` they are expressions and simple statements; with it whole blocks as well.
    """
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, _SCOPES) or nested:
            pending.extend(ast.iter_child_nodes(node))
