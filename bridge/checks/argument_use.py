"""What a migration does with its argument that a Session cannot do, as far as its text tells.

Data in, data out, and nothing is executed. The functions of the file itself are followed. A file
that looks at what it was given (`hasattr`, `isinstance`) has its own ways, and is left alone; so
is one that gives the name of its argument to something else.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from bridge.checks.sql_constants import Constants

#: What is wanted: of SQLAlchemy an Engine or a Connection, of the driver a connection or a cursor.
Wish = Literal["engine", "connection", "driver", "cursor", "unknown"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

#: Every name that a Session has; a test holds this against SQLAlchemy's own.
SESSION_NAMES: Final = frozenset({
    "add", "add_all", "autobegin", "autoflush", "begin", "begin_nested", "bind", "bind_mapper",
    "bind_table", "binds", "bulk_insert_mappings", "bulk_save_objects", "bulk_update_mappings",
    "close", "close_all", "commit", "connection", "connection_callable", "delete", "delete_all",
    "deleted", "dirty", "dispatch", "enable_baked_queries", "enable_relationship_loading",
    "execute", "execution_options", "expire", "expire_all", "expire_on_commit", "expunge",
    "expunge_all", "flush", "get", "get_bind", "get_nested_transaction", "get_one",
    "get_transaction", "hash_key", "identity_key", "identity_map", "in_nested_transaction",
    "in_transaction", "info", "invalidate", "is_active", "is_modified", "join_transaction_mode",
    "merge", "merge_all", "new", "no_autoflush", "object_session", "prepare", "query", "refresh",
    "reset", "rollback", "scalar", "scalars", "twophase",
})  # fmt: skip

#: Whose a name is that a Session has not.
_WHOSE: Final[Mapping[str, Wish]] = {
    **dict.fromkeys(("connect", "raw_connection", "dispose", "pool", "url"), "engine"),
    **dict.fromkeys(
        ("exec_driver_sql", "begin_twophase", "dialect", "get_isolation_level", "detach"),
        "connection",
    ),
    **dict.fromkeys(
        ("cursor", "autocommit", "set_session", "set_isolation_level", "notices", "closed"),
        "driver",
    ),
    **dict.fromkeys(
        ("fetchone", "fetchall", "fetchmany", "executemany", "callproc", "mogrify", "copy_expert",
         "copy_from", "copy_to", "copy", "rowcount", "nextset", "statusmessage"),
        "cursor",
    ),
}  # fmt: skip

#: Functions that take something else than a Session, and what they take. A team's own helper may
#: be called `create_all` as well, so that it matters whose a function is.
_TAKES: Final[Sequence[tuple[re.Pattern[str], Wish]]] = (
    (re.compile(r"(\w+\.)*(Session|sessionmaker)"), "engine"),
    (
        re.compile(r"(.*\.)?metadata(\(.*\))?\.(create_all|drop_all|reflect)", re.IGNORECASE),
        "connection",
    ),
    (re.compile(r"((sa|sqlalchemy)\.)?inspect"), "connection"),
    (re.compile(r"(\w+\.)*MigrationContext\.configure"), "connection"),
    (re.compile(r"(\w+\.)*(execute_values|execute_batch)"), "cursor"),
)
#: What such a thing is called wherever it is passed by name.
_BIND_KEYWORDS: Final = frozenset({"bind", "autoload_with"})

#: Classes by their names, whatever module they are of.
_CLASSES: Final[Mapping[str, Wish]] = {
    **dict.fromkeys(("Engine", "AsyncEngine"), "engine"),
    **dict.fromkeys(("Connection", "AsyncConnection"), "connection"),
    "connection": "driver",
    **dict.fromkeys(
        ("cursor", "Cursor", "AsyncCursor", "DictCursor", "RealDictCursor", "NamedTupleCursor"),
        "cursor",
    ),
}

#: Names of a parameter that nobody gives to a Session.
_NAMED_SO: Final[Mapping[str, Wish]] = {"engine": "engine", "cur": "cursor", "cursor": "cursor"}

_SENDS: Final = frozenset({"execute", "scalar", "scalars"})
_LOOKS: Final = frozenset({"hasattr", "getattr", "isinstance", "type"})


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One place that shows what a function wants."""

    line: int
    wish: Wish
    how: Literal["annotation", "attribute", "text", "passed", "begin", "name"]
    #: The name of the class, the attribute, the function or the parameter.
    name: str
    #: What the Session is called there.
    called: str


def wished(function: _Function, module: ast.Module) -> Found | None:
    """The first thing in this function that a Session cannot give; None if it is content with one.

    Raises RecursionError for a file that is nested too deeply.
    """
    parameter = _first_parameter(function)
    # What a decorator hands over is known only when it runs.
    if parameter is None or function.decorator_list:
        return None
    annotated = _annotation(parameter, module)
    if annotated is not None:
        return annotated
    uses = _Uses(module)
    uses.follow(function, parameter.arg)
    if uses.found:
        return min(uses.found)
    wish = _NAMED_SO.get(parameter.arg)
    if wish is None or uses.direct or not uses.handed_out or uses.looked_at:
        return None
    return Found(function.lineno, wish, "name", parameter.arg, parameter.arg)


def _first_parameter(function: _Function) -> ast.arg | None:
    return next(iter([*function.args.posonlyargs, *function.args.args]), None)


def _annotation(parameter: ast.arg, module: ast.Module) -> Found | None:
    annotation = parameter.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    if annotation is None:
        return None
    imported = _imported(module)
    names = [imported.get(name, name) for name in _last_names(annotation)]
    # `Session | Connection` takes what it gets.
    if not names or any(name.endswith("Session") for name in names):
        return None
    for name in names:
        if name in _CLASSES:
            line = parameter.lineno
            return Found(line, _CLASSES[name], "annotation", name, parameter.arg)
    return None


def _imported(module: ast.Module) -> dict[str, str]:
    """The names that imports of this file give to others, and what those are called at home."""
    return {
        alias.asname: alias.name.rpartition(".")[2]
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _last_names(annotation: ast.expr) -> Iterator[str]:
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.BinOp(left=left, right=right):
            yield from _last_names(left)
            yield from _last_names(right)
        case ast.Subscript(slice=inside):
            yield from _last_names(inside)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _last_names(part)


class _Uses:
    """Goes through a function, and those of the same file to which it hands its argument."""

    def __init__(self, module: ast.Module) -> None:
        self.found: list[Found] = []
        #: Whether something of the argument itself is used.
        self.direct = False
        #: Whether somebody else gets it, of whom this file does not tell what they do with it.
        self.handed_out = False
        #: Whether a function looks at what it was given.
        self.looked_at = False
        self._functions = {each.name: each for each in module.body if isinstance(each, _Function)}
        self._module = module
        self._seen: set[tuple[str, str]] = set()

    @cached_property
    def _constants(self) -> Constants:
        return Constants.of(self._module)

    def follow(self, function: _Function, parameter: str) -> None:
        """Go through a function to which the Session was handed under this name."""
        if (function.name, parameter) in self._seen:
            return
        self._seen.add((function.name, parameter))
        nodes = [node for part in function.body for node in _nodes(part, parameter)]
        if any(_is_careful(node, parameter) for node in nodes):
            self.looked_at = True
            return
        names = {parameter, *_aliases(nodes, parameter)}
        for node in nodes:
            self._look(node, names)

    def _look(self, node: ast.AST, names: set[str]) -> None:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in names:
                self.direct = True
                if attribute not in SESSION_NAMES and not attribute.startswith("_"):
                    wish = _WHOSE.get(attribute, "unknown")
                    self._add(node, wish, "attribute", attribute, name)
            case ast.Call():
                self._look_at_call(node, names)
            case ast.With(items=items):
                for item in items:
                    self._look_at_begin(item, node, names)

    def _look_at_call(self, call: ast.Call, names: set[str]) -> None:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[first, *_]
            ) if name in names and method in _SENDS and self._is_bare_text(first):
                self._add(call, "unknown", "text", method, name)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="execution_options")
            ) if name in names:
                self._add(call, "connection", "attribute", "execution_options()", name)
        given = [(None, arg) for arg in call.args] + [(k.arg, k.value) for k in call.keywords]
        for number, (keyword, value) in enumerate(given):
            if isinstance(value, ast.Name) and value.id in names:
                self._handed(call, keyword or number, value.id)

    def _handed(self, call: ast.Call, place: str | int, name: str) -> None:
        called = ast.unparse(call.func)
        helper = self._functions.get(called)
        if helper is not None:
            parameter = _parameter_at(helper, place)
            if parameter is not None:
                self.follow(helper, parameter)
            return
        self.handed_out = True
        takes = next((wish for function, wish in _TAKES if function.fullmatch(called)), None)
        if place in _BIND_KEYWORDS or (takes is not None and place == 0):
            self._add(call, takes or "connection", "passed", called, name)

    def _look_at_begin(self, item: ast.withitem, block: ast.With, names: set[str]) -> None:
        """`with engine.begin() as connection` gives a Connection; a Session's gives nothing."""
        match item:
            case ast.withitem(
                context_expr=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="begin")),
                optional_vars=ast.Name(id=given),
            ) if name in names:
                inside = [node for part in block.body for node in ast.walk(part)]
                if any(_sends_by(node, given) for node in inside):
                    self._add(item.context_expr, "engine", "begin", given, name)

    def _is_bare_text(self, node: ast.expr, depth: int = 0) -> bool:
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr():
                return True
            case ast.BinOp(left=left, op=ast.Add() | ast.Mod()):
                return self._is_bare_text(left, depth)
            case ast.Call(func=ast.Attribute(value=inner, attr="format" | "strip" | "replace")):
                return self._is_bare_text(inner, depth)
            case ast.Call(func=ast.Name(id="dedent") | ast.Attribute(attr="dedent"), args=[text]):
                return self._is_bare_text(text, depth)
            case ast.Name(id=name) if name in self._constants.texts and depth < 10:  # noqa: PLR2004 - a name that is made of itself
                return self._is_bare_text(self._constants.texts[name], depth + 1)
        return False

    def _add(
        self,
        node: ast.expr,
        wish: Wish,
        how: Literal["attribute", "text", "passed", "begin"],
        name: str,
        called: str,
    ) -> None:
        self.found.append(Found(node.lineno, wish, how, name, called))


def _nodes(node: ast.AST, parameter: str) -> Iterator[ast.AST]:
    """All nodes in which the parameter's name means the parameter."""
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


def _is_careful(node: ast.AST, parameter: str) -> bool:
    """Whether this looks at what the parameter is, or makes something else of its name."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name == parameter
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name), *_]):
            return function in _LOOKS and name == parameter
        case ast.ExceptHandler(type=ast.expr() as caught):
            return "AttributeError" in ast.unparse(caught)
    return False


def _aliases(nodes: Sequence[ast.AST], parameter: str) -> set[str]:
    """Other names that are given the parameter, and nothing else."""
    given: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                given[name] += other == parameter
            case ast.Name(id=name, ctx=ast.Store()):
                stored[name] += 1
    return {name for name, times in given.items() if times == stored[name]}


def _parameter_at(function: _Function, place: str | int) -> str | None:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if isinstance(place, int):
        return names[place] if place < len(names) else None
    return place if place in _parameters(function.args) else None


def _sends_by(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=found), attr=attribute):
            return found == name and attribute in {*_SENDS, "exec_driver_sql", "cursor"}
    return False
