"""Many processes for the price of one: children forked from a Python that has imported everything.

Starting an interpreter and importing SQLAlchemy and Alembic takes half a second of a core; a fork
takes some milliseconds. ``forked(24, upgrade, url, ini)`` runs 24 real processes that begin at the
same moment, and gives what became of each; `forking` gives them while they run, to be killed.

The function must be one that a fresh interpreter can import (not of a test module), its arguments
and what it returns must be JSON, and it runs with the standard streams in files.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.running import poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from support.project import Project

#: Seconds until a child that must end has not ended.
PATIENCE = 60.0


@dataclass(frozen=True)
class Result:
    """What became of one child."""

    #: Its exit code; negative for the signal that killed it.
    code: int
    #: What its function returned; None if it did not return.
    value: Any
    out: str
    err: str


class Child:
    """One forked process."""

    def __init__(self, pid: int, files: Path) -> None:
        self.pid = pid
        self._files = files

    @property
    def code(self) -> int | None:
        """Its exit code; None while it lives."""
        code = _Nursery.get().ask({"pid": self.pid})
        return None if code is None else int(code)

    @property
    def ended(self) -> bool:
        return self.code is not None

    def send(self, signum: int) -> None:
        """Send it a signal; nothing if it has ended."""
        if not self.ended:  # until it is waited for, which only we do, the id stays its own
            os.kill(self.pid, signum)

    def kill(self) -> Result:
        """End it as `kill -9` does, and return when it is gone."""
        self.send(signal.SIGKILL)
        return self.end()

    def has_told(self, fragment: str) -> bool:
        """Whether it has written this to standard error by now."""
        return fragment in self._text("err")

    def told(self, fragment: str) -> str:
        """Wait for a line on standard error that holds this, and give it."""

        def found() -> list[str]:
            return [line for line in self._text("err").splitlines() if fragment in line]

        poll(lambda: self.has_told(fragment) or self.ended, within=PATIENCE)
        lines = found()
        assert lines, f"ended without {fragment!r}:\n{self._text('err')}"
        return lines[0]

    def end(self, *, within: float = PATIENCE) -> Result:
        """Wait for its end."""
        poll(lambda: self.ended, within=within)
        code, value = self.code, self._text("value")
        assert code is not None
        return Result(
            code, json.loads(value) if value else None, self._text("out"), self._text("err")
        )

    def _text(self, name: str) -> str:
        file = self._files.with_suffix(f".{name}")
        return file.read_text() if file.exists() else ""


@contextmanager
def forking(
    count: int,
    function: Callable[..., Any],
    *arguments: Any,
    cwd: Path | str = "/",
    environ: Mapping[str, str] | None = None,
) -> Iterator[list[Child]]:
    """So many processes that call this function at the same moment; all end with the block."""
    with tempfile.TemporaryDirectory(prefix="bridge-children-") as folder:
        pids = _Nursery.get().ask(
            {
                "count": count,
                "function": f"{function.__module__}:{function.__qualname__}",
                "arguments": arguments,
                "cwd": str(cwd),
                "environ": dict(os.environ if environ is None else environ),
                "folder": folder,
            }
        )
        children = [Child(pid, Path(folder) / str(number)) for number, pid in enumerate(pids)]
        try:
            yield children
        finally:
            for child in children:
                child.kill()


def forked(
    count: int,
    function: Callable[..., Any],
    *arguments: Any,
    cwd: Path | str = "/",
    environ: Mapping[str, str] | None = None,
) -> list[Result]:
    """As `forking`, and wait until all have ended."""
    with forking(count, function, *arguments, cwd=cwd, environ=environ) as children:
        return [child.end() for child in children]


@contextmanager
def forking_eai(count: int, project: Project, *arguments: str) -> Iterator[list[Child]]:
    """So many times `eai` in this project."""
    with forking(
        count, run_eai, *arguments, cwd=project.path, environ=project.environ()
    ) as children:
        yield children


def run_eai(*arguments: str) -> None:
    """What the command `eai` does; it ends with SystemExit."""
    from bridge.cli import main

    sys.argv = ["eai", *arguments]
    main()


def upgrade(url: str, config: str) -> dict[str, Any]:
    """Call `bridge.upgrade` as a service does; gives the stems it applied, and its seconds.

    What it logs goes to standard error.
    """
    import bridge

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    began = time.monotonic()
    report = bridge.upgrade(url, config=config)
    return {
        "applied": [each.stem for each in report.applied],
        "seconds": time.monotonic() - began,
    }


class _Nursery:
    """The process that forks, one for each process of the tests."""

    _only: _Nursery | None = None

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.nursery"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the tests
        )
        atexit.register(self._end)

    @classmethod
    def get(cls) -> _Nursery:
        """The one that runs."""
        if cls._only is None:
            cls._only = cls()
        return cls._only

    def ask(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def _end(self) -> None:
        self._process.communicate(timeout=PATIENCE)
