"""Tools that others have written for Alembic, run in a team's project."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project

#: Seconds until a run that hangs fails its test.
TIMEOUT = 120

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "alembic.md"

#: Plugins of pytest that define the same fixtures; a team has one of them.
_PLUGINS = {"pytest_alembic", "alembic-gauntlet", "pytest_alembic_verify"}


def recipe(heading: str) -> str:
    """Return the Python that the page has under this heading."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    blocks = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert len(blocks) == 1, heading
    return str(blocks[0])


def run_pytest(
    project: Project,
    server: URL,
    conftest: str,
    tests: str,
    *arguments: str,
    plugin: str = "pytest_alembic",
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run pytest in the project, with one of the plugins for Alembic.

    `server` is the same for all: that is how runs know of each other.
    """
    folder = project.path / "tests"
    folder.mkdir(exist_ok=True)
    (folder / "conftest.py").write_text(dedent(conftest))
    (folder / "test_it.py").write_text(dedent(tests))
    others = [f"-pno:{name}" for name in sorted(_PLUGINS - {plugin})]
    command = [sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", *others, *arguments]
    done = subprocess.run(
        command,
        cwd=project.path,
        env=project.environ(_variables(server)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert not check or done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def _variables(server: URL) -> dict[str, str]:
    """Return what names the server; no tool need cope with a % in a URL."""
    host = server.query.get("host")
    url = server.difference_update_query(["host"])
    named = {"TEST_DATABASE_URL": url.render_as_string(hide_password=False)}
    return named | ({"PGHOST": host} if isinstance(host, str) else {})
