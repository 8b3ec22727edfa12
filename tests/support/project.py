"""A team's project in a temporary folder, driven through the commands."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from support.in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

DEFAULT_INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
"""

#: Seconds until a program that hangs fails its test.
TIMEOUT = 60

_SCRUBBED = ("BRIDGE_", "PG", "PYTEST_")
_SCRUBBED_NAMES = {
    "ALEMBIC_CONFIG",
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "TEST_DATABASE_URL",
}


@dataclass(frozen=True)
class Project:
    """A folder with `alembic.ini` and `migrations/`; its commands meet `url` as DATABASE_URL."""

    path: Path
    url: URL | None = None

    @classmethod
    def create(cls, path: Path, url: URL | None = None, *, ini: str = DEFAULT_INI) -> Project:
        """Make the folder, its configuration and its empty folder of migrations."""
        project = cls(path, url)
        project.migrations.mkdir(parents=True)
        project.ini(ini)
        return project

    @property
    def migrations(self) -> Path:
        return self.path / "migrations"

    def ini(self, text: str = DEFAULT_INI, *, extra: str = "") -> Path:
        """Write `alembic.ini` anew; `extra` lines are added to its last section."""
        file = self.path / "alembic.ini"
        file.write_text(dedent(text) + dedent(extra))
        return file

    def write(self, name: str, body: str) -> Path:
        """Write one migration; its `.py` may be left out."""
        file = self.migrations / (name if "." in name else f"{name}.py")
        file.write_text(dedent(body))
        return file

    def remove(self, name: str) -> None:
        (self.migrations / (name if "." in name else f"{name}.py")).unlink()

    def environ(self, env: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """Give what a command sees; None in `env` removes a variable."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(_SCRUBBED) and key not in _SCRUBBED_NAMES
        }
        # Output without colour, and wide enough that no sentence is folded.
        kept |= {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "300"}
        if self.url is not None:
            kept["DATABASE_URL"] = self.url.render_as_string(hide_password=False)
        for key, value in (env or {}).items():
            kept.pop(key, None)
            if value is not None:
                kept[key] = value
        return kept

    def alembic(
        self, *args: str, env: Mapping[str, str | None] | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run Alembic's own command here; with `check` its failure fails the test."""
        return self._command("alembic", *args, env=env, check=check)

    def eai(
        self,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        check: bool = False,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `eai` here, or in another folder."""
        return self._command("eai", *args, env=env, check=check, cwd=cwd)

    def script(
        self, name: str, *args: str, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python script of this folder."""
        return self._command(name, *args, env=None, check=check)

    def program(
        self,
        name: str,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        check: bool = False,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `eai`, `alembic` or `python` in a process of its own, where that is the point."""
        done = subprocess.run(
            [_executable(name), *args],
            cwd=cwd or self.path,
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        return _checked(done, check=check)

    def python(
        self, code: str, *, env: Mapping[str, str | None] | None = None, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a script in a Python of its own, here."""
        return self.program("python", "-c", dedent(code), env=env, check=check)

    def popen_eai(
        self, *args: str, env: Mapping[str, str | None] | None = None
    ) -> subprocess.Popen[str]:
        """Start `eai` here and return at once; the caller waits for it or kills it."""
        return subprocess.Popen(
            [_executable("eai"), *args],
            cwd=self.path,
            env=self.environ(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _command(
        self,
        name: str,
        *args: str,
        env: Mapping[str, str | None] | None,
        check: bool,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        done = run_in_process(name, *args, cwd=cwd or self.path, env=self.environ(env))
        return _checked(done, check=check)


def _checked(
    done: subprocess.CompletedProcess[str], *, check: bool
) -> subprocess.CompletedProcess[str]:
    told = f"{done.args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not check or done.returncode == 0, told
    return done


def _executable(name: str) -> Path:
    return Path(sys.executable).parent / name
