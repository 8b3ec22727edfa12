"""Find the imports of modules that lie beside plain files, which move to a package of their own.

Data in, data out. Alembic imports every module of `versions/`, and takes each for a revision.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from bridge.errors import PlainFileError
from bridge.files.edits import Edit, Text

#: The package, beside env.py, of the modules that plain files import from their folder.
HELPERS: Final = "plain_files"

_FROM: Final = re.compile(r"from\s*([\w.]+)\s+import\b")


def helper_imports(
    path: str, module: ast.Module, text: Text, *, package: str | None, inside: bool = False
) -> Iterator[Edit]:
    """Find what to edit in a file of the folder that was `package`.

    `inside` is true of a helper, whose neighbours move with it. Raises PlainFileError for an
    import that is written in an unusual way.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            new = _moved(node, package, inside=inside)
            if new == name:
                continue
            place = text.place(node.lineno, node.col_offset)
            found = _FROM.match(text.after(place))
            if found is None:
                raise PlainFileError(
                    path, node.lineno, f"write `from {name} import …` here, with single blanks."
                )
            yield Edit(place + found.start(1), place + found.end(1), new)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                new = _at_its_place(alias.name, package)
                # Without `as` the rest of the file uses the whole name.
                if alias.asname and new != alias.name:
                    place = text.place(alias.lineno, alias.col_offset)
                    yield Edit(place, place + len(alias.name), new)


def _moved(node: ast.ImportFrom, package: str | None, *, inside: bool) -> str:
    """Return the module to import from, as it is called afterwards."""
    module = node.module or ""
    written = "." * node.level + module
    if node.level == 0:
        return _at_its_place(module, package)
    if node.level == 1:
        return written if inside else ".".join(filter(None, (HELPERS, module)))
    parts = package.split(".") if package else []
    above = parts[: len(parts) - node.level + 1]
    if not above:
        return written
    return _at_its_place(".".join(filter(None, (*above, module))), package)


def _at_its_place(module: str, package: str | None) -> str:
    if package and (module == package or module.startswith(f"{package}.")):
        return HELPERS + module[len(package) :]
    return module
