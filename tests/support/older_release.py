"""A real older release of bridge, out of this repository's history: one that knew no targets."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

from support.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: What came with targets: the release is of the commit before the one that added it.
CAME_WITH_TARGETS = "bridge/config/target.py"

NO_HISTORY = (
    "the history of this repository is not here (a source distribution, or a shallow clone), so "
    "that there is no older release to run"
)


def last_without_targets() -> str | None:
    """The commit before targets came; None where the history does not reach back so far."""
    if _git("rev-parse", "--show-toplevel") != str(ROOT.resolve()):
        return None
    added = _git("log", "--diff-filter=A", "--format=%H", "--", CAME_WITH_TARGETS)
    if not added:
        return None
    return _git("rev-parse", "--verify", "--quiet", f"{added.split()[-1]}^") or None


def unpack(commit: str, folder: Path) -> None:
    """Put the package `bridge` of this commit into a folder, from which it can be imported."""
    archive = subprocess.run(
        ["git", "archive", commit, "bridge"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        opened.extractall(folder, filter="data")


def _git(*command: str) -> str:
    """What it says; nothing where it fails, or is not there."""
    # As a hook of git's sees them, they would mean another repository.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *command], cwd=ROOT, capture_output=True, text=True, check=False, env=environ
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
