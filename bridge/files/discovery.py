"""Find the folders of plain files in a project that nobody has configured yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import FilesError
from bridge.files.functions import takes_something
from bridge.files.plain_file import PlainFile
from bridge.files.stems import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What teams call such a folder.
_NAMES: Final = frozenset({"migrations", "migration", "migrate", "db_migrations"})
#: How many folders deep a project is searched: src/app/db/migrations.
_DEPTH: Final = 4
#: Folders whose modules are not the project's own.
NOT_A_PROJECTS: Final = frozenset(
    {"node_modules", "site-packages", "dist", "build", "venv", "env", "__pycache__"}
)
#: Files that are read to see whether a folder is one: the first may be a broken one.
_MOST_READ: Final = 20


def plain_folders(root: Path) -> list[Path]:
    """Find the folders below `root` that hold plain files, the nearest first; executes nothing."""
    return sorted(
        (folder for folder in _candidates(root, _DEPTH) if holds_plain_files(folder)),
        key=lambda folder: (len(folder.parts), str(folder)),
    )


def holds_plain_files(folder: Path) -> bool:
    """Return whether a numbered file in it defines `upgrade(db)`, or what another runner calls.

    Files of Alembic's own have an `upgrade` without a parameter, and so are none.
    """
    try:
        names = sorted(p.name for p in folder.iterdir() if is_numbered(p.name))
    except OSError:
        return False
    return any(_is_plain(str(folder), name) for name in names[:_MOST_READ])


def is_numbered(name: str) -> bool:
    """Return whether a file of this name would be a migration, by the name alone."""
    return name.endswith(".py") and bool(number_of(name))


def _is_plain(folder: str, name: str) -> bool:
    try:
        function = PlainFile(folder, name.removesuffix(".py")).shape().function
    except FilesError:
        return False
    return function is not None and takes_something(function)


def is_alembics(folder: Path) -> bool:
    """Return whether it is the environment of an Alembic that is set up without bridge."""
    return (folder / "env.py").is_file()


def _candidates(folder: Path, depth: int) -> Iterator[Path]:
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
    for path in inner:
        # A link may lead out of the project, or round in a circle.
        if path.name[0] == "." or path.name in NOT_A_PROJECTS | {"tests"} or path.is_symlink():
            continue
        if path.name in _NAMES:
            yield path
        if depth > 1 and not (path / "pyvenv.cfg").exists():
            yield from _candidates(path, depth - 1)
