"""Leave out the tests of tools that do not take the releases that are tested."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


#: Each module has the name of its tool.
collect_ignore = [
    path.name
    for path in Path(__file__).parent.glob("test_*.py")
    if not _is_installed(path.stem.removeprefix("test_").replace("_", "-"))
]
