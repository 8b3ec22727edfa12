"""Find out how a folder's own runner goes about its files, from the runner's source.

In which order it sorts them, and whether its Sessions flush by themselves. Nothing is executed;
what the source does not plainly show is not known.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.files.conventions import Order
from bridge.files.discovery import NOT_A_PROJECTS, is_numbered

#: What lists the files of a folder.
_LISTS: Final = ("glob", "listdir", "iterdir", "scandir", "walk", "iter_modules")
#: What makes a number of a name.
_NUMBERS: Final = frozenset({"int", "float", "Decimal", "Version", "parse_version"})
#: Where a number comes from that has nothing to do with a file.
_ELSEWHERE: Final = ("environ", "argv", "getenv", "args.")
#: What makes Sessions.
_SESSIONS: Final = frozenset({"Session", "sessionmaker", "scoped_session"})
#: How much of a project is looked at: files, and bytes of each.
_MOST_FILES: Final = 5000
_LONGEST: Final = 200_000


@dataclass(frozen=True, slots=True)
class Runner:
    """What the source of a runner shows; None for what it does not show."""

    #: The file.
    path: str
    order: Order | None
    autoflush: bool | None


def find_runner(root: Path, folder: Path) -> Runner | None:
    """Look through the project at `root` for what runs the files of `folder`.

    None where nothing does, or where two files do and differ.
    """
    found = list(_runners(root, folder))
    alike = {(each.order, each.autoflush) for each in found}
    return found[0] if len(alike) == 1 else None


def _runners(root: Path, folder: Path) -> Iterator[Runner]:
    for path in _modules(root, folder):
        try:
            source = path.read_text(encoding="utf-8")
            if folder.name not in source or not any(name in source for name in _LISTS):
                continue
            tree = ast.parse(source)
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        sorts = list(_Sorting(tree).orders())
        if sorts:
            order = Order.NUMBER if Order.NUMBER in sorts else next(filter(None, sorts), None)
            yield Runner(str(path), order, _autoflush(tree))


def _modules(root: Path, folder: Path) -> Iterator[Path]:
    """List the modules of the project, those of the folder among them but for its migrations."""
    looked_at = 0
    for place, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in NOT_A_PROJECTS
        )
        for name in sorted(names):
            path = Path(place, name)
            is_migration = path.parent == folder and is_numbered(name)
            if path.suffix != ".py" or is_migration:
                continue
            looked_at += 1
            if looked_at > _MOST_FILES:
                return
            try:
                if path.stat().st_size <= _LONGEST:
                    yield path
            except OSError:
                continue


class _Sorting:
    """Tells by what the calls of one module sort."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._makes_numbers = any(map(_is_number, ast.walk(tree)))

    def orders(self) -> Iterator[Order | None]:
        """Return the order of each call that sorts; None where it does not show."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Call(func=ast.Name(id="natsorted") | ast.Attribute(attr="natsorted")):
                    yield Order.NUMBER
                case ast.Call(func=ast.Name(id="sorted"), args=[what, *_]):
                    yield self._by(_key(node), what)
                case ast.Call(func=ast.Attribute(value=what, attr="sort")):
                    yield self._by(_key(node), what)

    def _by(self, key: ast.expr | None, what: ast.expr) -> Order | None:
        if key is None:
            return self._of_elements(what)
        if _holds_number(key) or "natsort" in ast.unparse(key):
            return Order.NUMBER
        match key:
            case ast.Lambda(body=ast.Attribute(attr="name" | "stem" | "filename")):
                return Order.NAME
            case ast.Lambda(body=ast.Call() | ast.Name()):
                return Order.NAME
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._of_function(name)
        # A field, which the module makes somewhere else.
        return Order.NUMBER if self._makes_numbers else None

    def _of_function(self, name: str) -> Order | None:
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return Order.NUMBER if _holds_number(node) else Order.NAME
        return Order.NAME if name in {"basename", "str", "name"} else None

    def _of_elements(self, what: ast.expr) -> Order | None:
        """Tell by what is sorted: names, or tuples that begin with a number."""
        made = [what, *self._made(what.id)] if isinstance(what, ast.Name) else [what]
        if any(_begins_with_number(each) for each in made):
            return Order.NUMBER
        if any(name in ast.unparse(each) for each in made for name in _LISTS):
            return Order.NAME
        return None

    def _made(self, name: str) -> Iterator[ast.expr]:
        """List what is put into a variable."""
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                    yield value
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=found), attr="append" | "add"),
                    args=[value],
                ) if found == name:
                    yield value


def _key(call: ast.Call) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == "key"), None)


def _is_number(node: ast.AST) -> bool:
    """Return whether this makes a number of something that may be a name."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[what, *_]):
            return name in _NUMBERS and not any(e in ast.unparse(what) for e in _ELSEWHERE)
    return False


def _holds_number(node: ast.AST) -> bool:
    return any(map(_is_number, ast.walk(node)))


def _begins_with_number(made: ast.expr) -> bool:
    """Return whether these elements, or this one, are tuples that begin with a number."""
    return any(
        isinstance(node, ast.Tuple) and node.elts and _holds_number(node.elts[0])
        for node in ast.walk(made)
    )


def _autoflush(tree: ast.Module) -> bool | None:
    """Tell whether the Sessions that a module makes flush by themselves, as is usual."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
                given = {each.arg: each.value for each in keywords}
                if name not in _SESSIONS or not (node.args or given):
                    continue
                said = given.get("autoflush")
                if said is None:
                    found.add(True)
                elif isinstance(said, ast.Constant):
                    found.add(bool(said.value))
                else:
                    return None
    return found.pop() if len(found) == 1 else None
