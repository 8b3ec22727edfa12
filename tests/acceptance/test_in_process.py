"""A command that runs in the process of a test: what it leaves there, and what it meets."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.project import Project

#: Changes all that a process has one of, as an env.py or a migration may.
CHANGES = """\
import logging.config, models, os, signal, sys, warnings

def upgrade(db):
    os.chdir("/")
    os.environ["LEFT_BEHIND"] = "yes"
    sys.path.insert(0, "/left/behind")
    sys.excepthook = signal.default_int_handler
    signal.signal(signal.SIGUSR1, signal.default_int_handler)
    warnings.simplefilter("ignore")
    logging.config.dictConfig({
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"level": "DEBUG", "handlers": ["console"]},
    })
    logging.getLogger("left.behind").setLevel("DEBUG")
    logging.debug("heard %s", models.NAME)
    os.system("echo a program; echo complains >&2")
    print("printed", file=sys.stderr)
"""


def state() -> list[Any]:
    root, other = logging.getLogger(), logging.getLogger("left.behind")
    return [
        Path.cwd(),
        dict(os.environ),
        sys.path[:],
        (sys.argv, sys.stdin, sys.stdout, sys.stderr, sys.excepthook),
        [signal.getsignal(each) for each in signal.valid_signals()],
        warnings.filters[:],
        (root.level, root.handlers[:], other.level, other.disabled),
        sys.modules.get("models"),
        sys.modules["__main__"],
    ]


def test_it_leaves_nothing_behind_and_all_that_is_written_is_caught(project: Project) -> None:
    project.ini(extra="prepend_sys_path = %(here)s\n")
    project.write("001_first", CHANGES)
    (project.path / "models.py").write_text("NAME = 'the first'\n")
    before = state()
    done = project.eai("migrate", check=True)
    assert state() == before
    assert done.stdout == "a program\nApplied 1 migration: the database is up to date.\n"
    *_, heard, complains, printed, _done = done.stderr.splitlines()
    assert (heard, complains, printed) == ("heard the first", "complains", "printed")

    project.write("002_second", CHANGES)
    (project.path / "models.py").write_text("NAME = 'another'\n")
    assert "heard another" in project.eai("migrate", check=True).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("eai",),
        ("eai", "migrate", "status", "--offline"),
        ("alembic", "show", "999"),
        ("alembic", "--raiseerr", "current"),
    ],
    ids=" ".join,
)
def test_it_ends_and_writes_as_a_process_does(
    folder_project: Project, arguments: tuple[str, ...]
) -> None:
    folder_project.write("001_first", "def upgrade(db): ...\n")
    name, *rest = arguments
    command = folder_project.eai if name == "eai" else folder_project.alembic
    here, there = command(*rest), folder_project.program(*arguments)
    assert (here.returncode, here.stdout) == (there.returncode, there.stdout)
    # Between these a traceback has the frames of whoever called.
    ends = (slice(1), slice(-3, None)) if "Traceback" in here.stderr else (slice(None),)
    for end in ends:
        assert here.stderr.splitlines()[end] == there.stderr.splitlines()[end]
