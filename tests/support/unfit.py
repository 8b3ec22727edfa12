"""Print the packages of this environment that do not take the releases of others in it.

A tool that some tests use may ask for newer releases than bridge does. It is taken away again where
the lowest are tested; tests/tools leaves out the tests of a tool that is not there.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator


def unfit() -> Iterator[str]:
    """Return their names, each followed by what it asks for in vain."""
    for each in metadata.distributions():
        for line in each.requires or ():
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            if not _is_met(needed):
                yield f"{each.name} {needed}"
                break


def _is_met(needed: Requirement) -> bool:
    try:
        found = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return False
    return needed.specifier.contains(found, prereleases=True)


if __name__ == "__main__":
    print(*unfit(), sep="\n")
