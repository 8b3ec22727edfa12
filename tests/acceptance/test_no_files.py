"""What is called like a migration and is no file: refused by every command, and never waited for.

To open a named pipe waits for whoever writes to it, and to read a device may never end.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.no_files import NO_FILES
from support.running import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from support.project import Project

CREATES = """
from sqlalchemy import text
description = "Create it"
def upgrade(db):
    db.execute(text("CREATE TABLE {} ()"))
def downgrade(db):
    db.execute(text("DROP TABLE {}"))
"""
EAI = (
    ("migrate",),
    ("migrate", "--dry-run"),
    ("migrate", "--sql"),
    ("migrate", "rehearse", "--yes"),
    ("migrate", "status"),
    ("migrate", "status", "--check"),
    ("migrate", "status", "--json"),
    ("migrate", "status", "--offline"),
    ("migrate", "check"),
    ("migrate", "check", "--database"),
    ("migrate", "new", "more"),
    ("migrate", "lint"),
    ("migrate", "repair", "--yes"),
    ("migrate", "mark", "001_one", "--pending", "--yes"),
    ("migrate", "downgrade", "--steps", "1", "--yes"),
)
ALEMBIC = (
    ("upgrade", "head"),
    ("upgrade", "head", "--sql"),
    ("history",),
    ("heads",),
    ("current",),
    ("stamp", "head"),
    ("revision", "-m", "more"),
)
PUBLIC = """
import os, bridge
for function in (bridge.upgrade, bridge.start, bridge.status):
    try:
        print(function(os.environ["DATABASE_URL"], config="alembic.ini"))
    except bridge.BridgeError as error:
        print(error.exit_code, error)
"""


def creates(table: str) -> str:
    return CREATES.replace("{}", table)


def removed(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


@pytest.mark.parametrize("kind", NO_FILES)
def test_every_command_refuses_it_and_names_it(project: Project, engine: Engine, kind: str) -> None:
    make, told = NO_FILES[kind]
    project.write("001_one", creates("one"))
    applied = project.write("002_two", creates("two"))
    project.eai("migrate", check=True)
    applied.unlink()
    # By its name there is nothing to do, which a start finds with one query.
    make(applied)
    for arguments in EAI:
        done = project.eai(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert f"migrations/002_two.py: {told}" in _plain(done.stdout + done.stderr), arguments
    for arguments in ALEMBIC:
        done = project.alembic(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert f"migrations/002_two.py: {told}" in done.stderr
    (project.path / "program.py").write_text(PUBLIC)
    lines = project.script("program.py", check=True).stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"4 {applied}: {told}")
    assert recorded(engine) == ["001_one", "002_two"]
    assert not (project.migrations / "003_more.py").exists()
    removed(applied)
    project.write("002_two", creates("two"))
    assert "othing to do" in project.eai("migrate", check=True).stdout


@pytest.mark.parametrize("kind", ["pipe", "link to a device"])
def test_a_helper_that_is_no_file_is_not_waited_for(project: Project, kind: str) -> None:
    make, told = NO_FILES[kind]
    project.write("001_one", creates("one"))
    make(project.migrations / "helper.py")
    for arguments in (("migrate",), ("migrate", "status"), ("migrate", "check", "--database")):
        done = project.eai(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert f"migrations/helper.py: {told}" in _plain(done.stdout + done.stderr)


def _plain(text: str) -> str:
    """As `check` says it, with the severity before the sentence."""
    return text.replace(".py: error: ", ".py: ")
