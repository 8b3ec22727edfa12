"""Execute a plain file, to get at its functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from bridge.plainfile import PlainFile


@contextmanager
def loaded(file: PlainFile, name: str) -> Iterator[Callable[[Any], object]]:
    """Execute the file and give its function of this name, for as long as the block lasts.

    The module is in `sys.modules` meanwhile, because dataclasses, pickle and the ORM look there.
    It is compiled here rather than imported: no byte code is written (the folder may be
    read-only), and none is read that belongs to an earlier text of the file.

    Raises whatever the file raises.
    """
    module = ModuleType(f"_bridge_migration_{file.revision}", None)
    module.__file__ = file.path
    sys.modules[module.__name__] = module
    try:
        exec(compile(file.source(), file.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        yield getattr(module, name)
    finally:
        sys.modules.pop(module.__name__, None)
