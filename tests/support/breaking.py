"""The twenty migrations on one database, run by processes that are broken off."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.eye import Eye, Left, looking
from support.replicas import Child, Result, forking, run_eai, upgrade
from support.twenty import EMPTY, write_twenty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

#: Commands, as a function for `support.replicas.forking` and its arguments.
EAI = (run_eai, "migrate")


def run_alembic(*arguments: str) -> None:
    """What the command `alembic` does; it ends with SystemExit if it fails."""
    from alembic.config import main

    sys.argv = ["alembic", *arguments]
    main()


@dataclass
class Patient:
    """A project with the twenty files, and an eye on its database."""

    project: Project
    eye: Eye

    @property
    def upgrade(self) -> tuple[Any, ...]:
        """The command that a service is."""
        assert self.project.url is not None
        url = self.project.url.render_as_string(hide_password=False)
        return (upgrade, url, str(self.project.path / "alembic.ini"))

    def begin_anew(self) -> Left:
        """Make the database empty."""
        self.eye.rows(EMPTY)
        return self.eye.look()

    @contextmanager
    def running(self, *command: Any, count: int = 1) -> Iterator[list[Child]]:
        """So many processes with this command."""
        function, *arguments = command
        environ = self.project.environ()
        with forking(
            count, function, *arguments, cwd=self.project.path, environ=environ
        ) as children:
            yield children

    def run(self, *command: Any) -> float:
        """Run it to its end, which must be a good one; gives its seconds."""
        began = time.monotonic()
        with self.running(*command) as [child]:
            result = child.end()
        assert result.code == 0, result
        return time.monotonic() - began

    def broken_off(
        self, *command: Any, after: float, by: Callable[[Child], Result] = Child.kill
    ) -> Result:
        """Run it and, so many seconds later, let this happen to it; returns when all is quiet."""
        with self.running(*command) as [child]:
            time.sleep(after)
            result = by(child)
        self.eye.settle()
        return result


@contextmanager
def patient(project: Project) -> Iterator[Patient]:
    """The twenty files in this project, whose database is made empty."""
    write_twenty(project)
    assert project.url is not None
    with looking(project.url) as eye:
        found = Patient(project, eye)
        found.begin_anew()
        yield found
