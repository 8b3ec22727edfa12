"""Folders that stand for environments: with bridge, and as if it had never been installed.

They are for a Python that is started with -S, which must not see the present environment's own
packages beside these.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Final

_DISTRIBUTION: Final = "eai_bridge-*.dist-info"


def environment(folder: Path, *, with_bridge: bool) -> Path:
    """A folder of links to all packages, without what makes bridge's editable install."""
    packages = Path(sysconfig.get_path("purelib"))
    left_out = {path.name for path in packages.glob("*.pth")}
    if not with_bridge:
        left_out |= {path.name for path in packages.glob(_DISTRIBUTION)}
    folder.mkdir()
    for path in packages.iterdir():
        if path.name not in left_out:
            (folder / path.name).symlink_to(path)
    return folder
