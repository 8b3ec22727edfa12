"""Find what a migration does with its argument that this kind of argument cannot do.

Data in, data out, and nothing is executed. The functions of the same file are followed. A function
that looks at what it was given (`hasattr`, `isinstance`) handles several kinds, and is left alone;
so is one that gives the name of its argument to something else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from bridge.checks.argument_kinds import BIND_KEYWORDS, BINDS, FUNCTIONS, NAMES, owner_of
from bridge.checks.syntax import EXECUTES, Constants, Function, arguments_for, with_aliases
from bridge.files.argument import imported
from bridge.files.conventions import Argument

#: Methods that take SQL; the driver's own text is a plain string.
_TAKING_TEXT: Final = EXECUTES - {"exec_driver_sql"}
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Functions that ask what their first argument is.
_INSPECTS: Final = frozenset({"hasattr", "getattr", "isinstance", "type"})

#: Those that take no plain string as SQL, and whose `begin()` gives no Connection.
_TAKE_NO_STRING: Final = frozenset({Argument.SESSION, Argument.CONNECTION})

#: What shows that something else is expected.
Sign = Literal["attribute", "string", "passed", "begin", "parameter"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One place that shows what a function expects."""

    line: int
    #: None where it is only certain what it is not.
    kind: Argument | None
    sign: Sign
    #: The name of the attribute, the function or the parameter.
    name: str
    #: What the argument is called there.
    given: str


class ArgumentUse:
    """Goes through a function, and those of the same file to which it hands its argument."""

    def __init__(self, module: ast.Module, argument: Argument) -> None:
        self._argument = argument
        self._names = NAMES[argument]
        packages = {each.partition(".")[0] for each in imported(module).values()}
        if argument is Argument.SESSION and "sqlmodel" in packages:
            self._names |= {"exec"}
        self.evidence: list[Evidence] = []
        #: Whether an attribute of the argument is used.
        self.has_attribute = False
        #: Whether a function that this file does not define gets the argument.
        self.is_passed_on = False
        #: Whether a function asks what its argument is.
        self.is_inspected = False
        self._functions = {each.name: each for each in module.body if isinstance(each, Function)}
        self._module = module
        self._followed: set[tuple[str, str]] = set()

    @cached_property
    def _constants(self) -> Constants:
        return Constants.of(self._module)

    def follow(self, function: Function, parameter: str) -> None:
        """Go through a function that gets the argument as this parameter."""
        if (function.name, parameter) in self._followed:
            return
        self._followed.add((function.name, parameter))
        nodes = [node for part in function.body for node in _nodes(part, parameter)]
        if any(_inspects_or_rebinds(node, parameter) for node in nodes):
            self.is_inspected = True
            return
        names = with_aliases(frozenset({parameter}), nodes)
        for node in nodes:
            self._look(node, names)

    def _look(self, node: ast.AST, names: frozenset[str]) -> None:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in names:
                self.has_attribute = True
                if attribute not in self._names and not attribute.startswith("_"):
                    self._add(node, owner_of(attribute), "attribute", attribute, name)
            case ast.Call():
                self._look_at_method(node, names)
                self._look_at_arguments(node, names)
            case ast.With(items=items) if self._argument in _TAKE_NO_STRING:
                for item in items:
                    self._look_at_begin(item, node, names)

    def _look_at_method(self, call: ast.Call, names: frozenset[str]) -> None:
        match call.func:
            case ast.Attribute(value=ast.Name(id=name), attr="execution_options") if name in names:
                # A Session has an attribute of that name, which cannot be called.
                if self._argument is Argument.SESSION:
                    kind = Argument.CONNECTION
                    self._add(call, kind, "attribute", "execution_options()", name)
            case ast.Attribute(value=ast.Name(id=name), attr=method) if name in names:
                sends = self._argument in _TAKE_NO_STRING and method in _TAKING_TEXT & self._names
                if sends and call.args and self._constants.is_string(call.args[0]):
                    self._add(call, None, "string", method, name)

    def _look_at_arguments(self, call: ast.Call, names: frozenset[str]) -> None:
        places = [*enumerate(call.args), *((each.arg, each.value) for each in call.keywords)]
        given = {
            place: value.id
            for place, value in places
            if isinstance(value, ast.Name) and value.id in names
        }
        if not given:
            return
        called = ast.unparse(call.func)
        if called in self._functions:
            helper = self._functions[called]
            for parameter, value in arguments_for(helper, call):
                if isinstance(value, ast.Name) and value.id in names:
                    self.follow(helper, parameter)
            return
        self.is_passed_on = True
        expects = next((kind for function, kind in FUNCTIONS if function.fullmatch(called)), None)
        for place, name in given.items():
            if place in BIND_KEYWORDS or (expects and place == 0):
                wanted = expects or Argument.CONNECTION
                if wanted is not self._argument and not {wanted, self._argument} <= BINDS:
                    self._add(call, wanted, "passed", called, name)

    def _look_at_begin(self, item: ast.withitem, block: ast.With, names: frozenset[str]) -> None:
        """Look at `with x.begin() as y`: an Engine gives a Connection, a Session gives nothing."""
        match item:
            case ast.withitem(
                context_expr=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="begin")),
                optional_vars=ast.Name(id=given),
            ) if name in names:
                inside = [node for part in block.body for node in ast.walk(part)]
                if any(_sends_by(node, given) for node in inside):
                    self._add(item.context_expr, Argument.ENGINE, "begin", given, name)

    def _add(
        self, node: ast.expr, kind: Argument | None, sign: Sign, name: str, given: str
    ) -> None:
        self.evidence.append(Evidence(node.lineno, kind, sign, name, given))


def _nodes(node: ast.AST, parameter: str) -> Iterator[ast.AST]:
    """List the nodes in which the parameter's name means the parameter."""
    pending = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, _SCOPES) and parameter in _parameters(each.args):
            continue
        yield each
        pending.extend(ast.iter_child_nodes(each))


def _parameters(arguments: ast.arguments) -> set[str]:
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return {each.arg for each in (*every, arguments.vararg, arguments.kwarg) if each}


def _inspects_or_rebinds(node: ast.AST, parameter: str) -> bool:
    """Return whether this asks what the parameter is, or makes something else of its name."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name == parameter
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name), *_]):
            return function in _INSPECTS and name == parameter
        case ast.ExceptHandler(type=ast.expr() as caught):
            return "AttributeError" in ast.unparse(caught)
    return False


def _sends_by(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=found), attr=attribute):
            return found == name and attribute in EXECUTES | {"cursor"}
    return False
