"""Find the order in which a folder's own runner sorts its files, in the runner's source.

It is told by the call that sorts them: with a key that makes a number of the name, or without one.
Nothing is executed.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.files.conventions import Order

#: What lists the files of a folder.
_LISTS: Final = ("glob", "listdir", "iterdir", "scandir", "walk", "iter_modules")
#: What makes a number of a name.
_NUMBERS: Final = ("int(", "float(", "natsort", "Version(")
#: How much of a project is looked at: files, and bytes of each.
_MOST_FILES: Final = 5000
_LONGEST: Final = 200_000
_NOT_A_PROJECTS: Final = frozenset(
    {"node_modules", "site-packages", "dist", "build", "venv", "env", "__pycache__"}
)


def order_of_runner(root: Path, folder: Path) -> tuple[Order | None, str | None]:
    """Look through the project at `root` for what sorts the files of `folder`.

    Returns the order and the file that shows it; None for both where nothing does, or where two
    files disagree.
    """
    found = dict(_orders(root, folder))
    if len(set(found.values())) != 1:
        return None, None
    path, order = next(iter(found.items()))
    return order, path


def _orders(root: Path, folder: Path) -> Iterator[tuple[str, Order]]:
    for path in _modules(root, folder):
        try:
            source = path.read_text(encoding="utf-8")
            if folder.name not in source or not any(name in source for name in _LISTS):
                continue
            tree = ast.parse(source)
        except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        keys = [key for call in ast.walk(tree) if (key := _key_of(call)) is not None]
        if keys:
            numbers = any(_makes_numbers(key, tree) for key in keys)
            yield str(path), Order.NUMBER if numbers else Order.NAME


def _modules(root: Path, folder: Path) -> Iterator[Path]:
    """List the modules of the project, those of the folder among them but for its migrations."""
    looked_at = 0
    for place, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in _NOT_A_PROJECTS
        )
        for name in sorted(names):
            path = Path(place, name)
            is_migration = path.parent == folder and name.lstrip("vV")[:1].isdigit()
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


def _key_of(node: ast.AST) -> str | None:
    """Return the key of a call that sorts, as source; "" if it has none, None for other nodes."""
    match node:
        case ast.Call(func=ast.Name(id="sorted") | ast.Attribute(attr="sort")):
            given = next((each.value for each in node.keywords if each.arg == "key"), None)
            return "" if given is None else ast.unparse(given)
        case ast.Call(func=ast.Name(id="natsorted") | ast.Attribute(attr="natsorted")):
            return "natsort"
    return None


def _makes_numbers(key: str, tree: ast.Module) -> bool:
    """Return whether a key, or the function that it names, makes a number of a name."""
    if any(number in key for number in _NUMBERS):
        return True
    name = key.rpartition(".")[2]
    bodies = (
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    return any(number in body for body in bodies for number in _NUMBERS)
