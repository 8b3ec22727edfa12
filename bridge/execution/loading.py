"""Load a plain file's functions, call them, and check that they did their work."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge.errors import MigrationError
from bridge.files.plain_file import PlainFile
from bridge.reporting.events import Direction


@contextmanager
def loaded(file: PlainFile, direction: str) -> Iterator[Callable[[Any], object]]:
    """Execute the file and give its function for "upgrade" or "downgrade", for the block.

    The module is in `sys.modules` meanwhile, because dataclasses, pickle and the ORM look there.
    It is in the package that its folder is, so that `from ._helpers import …` finds a helper.
    It is compiled here rather than imported: no byte code is written (the folder may be
    read-only), and none is read that belongs to an earlier text of the file.

    Raises whatever the file raises.
    """
    module = ModuleType(f"_bridge_migration_{file.revision}", None)
    module.__file__ = file.path
    module.__package__ = package_of(file.folder)
    sys.modules[module.__name__] = module
    try:
        exec(file.code(), module.__dict__)  # noqa: S102
        yield getattr(module, file.conventions.function(direction))
    finally:
        sys.modules.pop(module.__name__, None)


def package_of(folder: str, before: Iterable[str] = ()) -> str | None:
    """Return the package that a folder is for what stands on `sys.path`; None if it is in none.

    `before` are folders that will stand at its front.
    """
    return _package_of(folder, (*before, *sys.path), os.getcwd())  # noqa: PTH109 - a text


@lru_cache(maxsize=1)  # the same for each file of a run
def _package_of(folder: str, sys_path: tuple[str, ...], here: str) -> str | None:
    for entry in sys_path:
        root = os.path.normpath(os.path.join(here, entry))  # noqa: PTH118 - "" is `here`
        parts = Path(folder).parts[len(Path(root).parts) :] if _is_below(folder, root) else ()
        if parts and all(map(str.isidentifier, parts)):
            return ".".join(parts)
    return None


def _is_below(folder: str, root: str) -> bool:
    return folder.startswith(root.rstrip(os.sep) + os.sep)


def lines_on_stack(path: str) -> Iterator[int]:
    """Return the lines of a file on this thread's stack, the innermost first."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == path:
            yield frame.f_lineno
        frame = frame.f_back


def refuse_unfinished(result: Any, direction: Direction) -> None:
    """Refuse a coroutine or a generator, which has not begun its work."""
    if not (hasattr(result, "__await__") or hasattr(result, "__next__")):
        return
    name = type(result).__name__
    if hasattr(result, "close"):
        result.close()  # else Python warns that it was never awaited
    raise MigrationError(
        f"{direction} returned a {name} instead of doing its work: it must be an ordinary "
        "function, neither async nor a generator."
    )
