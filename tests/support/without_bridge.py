"""A Python that has Alembic and cannot import bridge.

Links to the few packages that Alembic needs lie in a folder of their own, and Python is started
without its site-packages (-S) and without the working directory (-P).
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from support.project import TIMEOUT

if TYPE_CHECKING:
    from sqlalchemy import URL

#: What Alembic on psycopg2 imports, and what lies beside it under another name.
_PACKAGES = ("alembic", "sqlalchemy", "psycopg2", "mako", "greenlet", "markupsafe")
_MODULES = ("typing_extensions",)
_BESIDE = ("psycopg2_binary.libs", "greenlet.libs")


@dataclass(frozen=True)
class WithoutBridge:
    """Such a Python, run in one folder."""

    links: Path
    cwd: Path

    @classmethod
    def create(cls, links: Path, cwd: Path) -> WithoutBridge:
        """Make the folder of links; a test fails if bridge can be imported nevertheless."""
        links.mkdir()
        for name in (*_PACKAGES, *_MODULES):
            spec = find_spec(name)
            assert spec is not None
            assert spec.origin is not None
            place = Path(spec.origin)
            place = place if name in _MODULES else place.parent
            (links / place.name).symlink_to(place)
            for other in _BESIDE:
                if (place.parent / other).exists() and not (links / other).exists():
                    (links / other).symlink_to(place.parent / other)
        made = cls(links, cwd)
        found = made.python(
            "-c", "import alembic, importlib.util as u; print(u.find_spec('bridge'))"
        )
        assert (found.returncode, found.stdout) == (0, "None\n"), found.stderr
        return made

    def alembic(
        self, *arguments: str, url: URL | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the command `alembic`; with `check` its failure fails the test."""
        done = self.python("-m", "alembic", *arguments, url=url)
        told = f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not check or done.returncode == 0, told
        return done

    def python(self, *arguments: str, url: URL | None = None) -> subprocess.CompletedProcess[str]:
        """Run this Python; `url` is its DATABASE_URL."""
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.links)}
        if url is not None:
            environ["DATABASE_URL"] = url.render_as_string(hide_password=False)
        return subprocess.run(
            [sys.executable, "-S", "-P", *arguments],
            cwd=self.cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
