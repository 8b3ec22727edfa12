"""Commands in the background, each in a process that is forked and so has nothing to import."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from support.in_process import ENTRY_POINTS
from support.replicas import Child, forking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project


class Commands:
    """`start("eai", "migrate")` in one project; nothing it started outlives the test."""

    def __init__(self, project: Project, stack: ExitStack) -> None:
        self._project = project
        self._stack = stack

    def __call__(self, *command: str) -> Child:
        """Start `eai` or `alembic` with its arguments; `eai migrate` if none are given."""
        order = forking(
            1,
            run_command,
            *(command or ("eai", "migrate")),
            cwd=self._project.path,
            environ=self._project.environ(),
        )
        (child,) = self._stack.enter_context(order)
        return child


@contextmanager
def commands_of(project: Project) -> Iterator[Commands]:
    """Give what starts commands in this project, and end them all."""
    with ExitStack() as stack:
        yield Commands(project, stack)


def run_command(name: str, *arguments: str) -> None:
    """Do what the command does; the child calls it."""
    sys.argv = [name, *arguments]
    # Else the command would be called `python -m support.nursery`.
    sys.modules["__main__"] = ModuleType("__main__")
    ENTRY_POINTS[name]()
