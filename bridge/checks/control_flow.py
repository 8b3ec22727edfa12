"""Follow the control flow of `upgrade`: which calls reach the database, and in which order.

Data in, data out, and nothing is executed. The functions of the same file are followed; nobody
knows what an imported one does, so its call counts as work. Loops and branches are understood
just well enough to tell whether more work can follow.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bridge.checks.syntax import (
    Constants,
    Function,
    arguments_for,
    positional_parameters,
    top_level_function,
    with_aliases,
)

_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

#: What gives another way to the same database; the result of any other call is only data.
_HANDLES: Final = frozenset({"connection", "get_bind", "bind", "inspect", "connect", "cursor"})
#: What does so in a `with`.
_HANDLES_WITHIN: Final = _HANDLES | {"begin"}
#: Methods of the Session that send nothing.
_SILENT: Final = frozenset({"close", "expire_all", "expunge_all", "get_bind", "in_transaction"})
#: Calls of one file that are followed; beyond that, a function is work nobody knows.
_MOST_FOLLOWED: Final = 200

Kind = Literal["commit", "rollback", "work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCall:
    """One call that reaches the database."""

    kind: Kind
    line: int
    #: Whether it may happen many times in one run.
    in_loop: bool
    #: Whether this file can catch an error of it.
    in_try: bool
    #: Whether more work may come after it.
    followed: bool
    #: The SQL that is sent, as far as it is constant, with `x` for the rest; None if unknown.
    sql: str | None


def database_calls(module: ast.Module, name: str = "upgrade") -> list[DatabaseCall]:
    """List what `upgrade` does, in the order of the file; empty if there is no such function.

    Raises RecursionError for a file that is nested too deeply.
    """
    upgrade = top_level_function(name, module)
    if upgrade is None:
        return []
    walk = _BackwardWalk(module)
    walk.function(upgrade, frozenset(positional_parameters(upgrade)[:1]), after=False)
    return walk.found[::-1]


class _BackwardWalk:
    """Walks from the end to the beginning, so that each call knows whether work follows it.

    `after` is whether work may follow; each method returns that for what comes before.
    """

    def __init__(self, module: ast.Module) -> None:
        self.found: list[DatabaseCall] = []
        self._functions = {
            each.name: each for each in ast.walk(module) if isinstance(each, Function)
        }
        self._constants = Constants.of(module)
        self._sessions: frozenset[str] = frozenset()
        #: Names of what leads to the database, those of the Session among them.
        self._handles: frozenset[str] = frozenset()
        self._active: list[str] = []
        self._followed = 0
        self._loops = 0
        self._tries = 0

    def function(self, function: Function, sessions: frozenset[str], *, after: bool) -> bool:
        """Walk a function in which these names are the Session."""
        outer = self._sessions, self._handles
        # A function inside of another one sees the names around it.
        self._sessions = with_aliases(self._sessions | sessions, ast.walk(function))
        self._handles = _handles_in(function, self._sessions)
        self._active.append(function.name)
        works = self._block(function.body, after=after)
        self._active.pop()
        self._sessions, self._handles = outer
        return works

    def _block(self, body: Sequence[ast.stmt], *, after: bool) -> bool:
        for statement in reversed(body):
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
        again = any(self._kind(call) for call in _calls_in(loop.body, into_functions=True))
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
            kind = self._kind(call)
            if kind is None:
                continue
            helper = self._helper(call)
            if helper is not None:
                after = self.function(helper, self._sessions_for(helper, call), after=after)
                continue
            self.found.append(
                DatabaseCall(
                    kind=kind,
                    line=call.lineno,
                    in_loop=self._loops > 0,
                    in_try=self._tries > 0,
                    followed=after,
                    sql=self._constants.sql_of(call) if kind == "work" else None,
                )
            )
            after = after or kind == "work"
        return after

    def _kind(self, call: ast.Call) -> Kind | None:
        """Tell what a call does to the database; None if it does not reach it."""
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr=method):
                if name in self._sessions and method in ("commit", "rollback"):
                    return "commit" if method == "commit" else "rollback"
                if name in self._handles:
                    return None if method in _SILENT else "work"
            case ast.Name(id=name) if name in self._functions:
                inside = _calls_in(self._functions[name].body, into_functions=True)
                if any(map(self._is_of_session, inside)):
                    return "work"
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return "work" if any(self._is_session(value) for value in given) else None

    def _is_session(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self._sessions

    def _is_of_session(self, call: ast.Call) -> bool:
        """Return whether this is a method of the Session, where names from outside are seen."""
        return isinstance(call.func, ast.Attribute) and self._is_session(call.func.value)

    def _helper(self, call: ast.Call) -> Function | None:
        """Find the function of this file that is called, if it is to be followed."""
        if not isinstance(call.func, ast.Name):
            return None
        function = self._functions.get(call.func.id)
        if function is None or function.name in self._active or self._followed > _MOST_FOLLOWED:
            return None
        self._followed += 1
        return function

    def _sessions_for(self, function: Function, call: ast.Call) -> frozenset[str]:
        given = arguments_for(function, call)
        return frozenset(parameter for parameter, value in given if self._is_session(value))


def _handles_in(function: Function, sessions: frozenset[str]) -> frozenset[str]:
    """Find the names of what leads to the database: the Session, its connection, an inspector."""
    handles = sessions
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attribute))
                | ast.Attribute(value=ast.Name(id=owner), attr=attribute),
            ) if owner in handles and attribute in _HANDLES:
                handles |= {name}
            case ast.withitem(
                context_expr=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attribute)),
                optional_vars=ast.Name(id=name),
            ) if owner in handles and attribute in _HANDLES_WITHIN:
                handles |= {name}
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="inspect"))
            ):
                handles |= {name}
    return handles


def _calls_in(nodes: Iterable[ast.AST], *, into_functions: bool = False) -> Iterator[ast.Call]:
    """List the calls in these nodes; those of functions that are only defined here if asked."""
    pending: list[ast.AST] = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node
        if into_functions or not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
