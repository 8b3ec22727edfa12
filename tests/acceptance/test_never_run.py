"""Files that nobody would run, through every command: told at once, and nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import books, creates, tables

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

UP = "def up(conn):\n    conn.execute('SELECT 1')\n"

EAI = (
    ("migrate",),
    ("migrate", "--dry-run"),
    ("migrate", "--sql"),
    ("migrate", "rehearse", "--yes"),
    ("migrate", "status"),
    ("migrate", "status", "--offline"),
    ("migrate", "check"),
    ("migrate", "check", "--database"),
    ("migrate", "new", "first"),
)
ALEMBIC = (("upgrade", "head"), ("upgrade", "head", "--sql"), ("history",), ("current",))

#: Each public function that looks at a folder, and the exit code of what it raises.
PUBLIC = """
import os, bridge
for function in (bridge.upgrade, bridge.start, bridge.status):
    try:
        print(function(os.environ["DATABASE_URL"], config="alembic.ini"))
    except bridge.BridgeError as error:
        print(error.exit_code, error)
"""


def public(project: Project) -> list[str]:
    (project.path / "program.py").write_text(PUBLIC)
    return project.script("program.py", check=True).stdout.splitlines()


def test_no_command_passes_over_a_folder_of_another_shape(project: Project, engine: Engine) -> None:
    project.write("v_001_users", UP)
    project.write("v_002_orders", UP)
    for arguments in EAI:
        done = project.eai(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert "mv v_001_users.py 001_users.py" in done.stdout + done.stderr
    for arguments in ALEMBIC:
        done = project.alembic(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert "mv v_001_users.py 001_users.py" in done.stderr
    told = public(project)
    assert [line.partition("v_001_users.py: none of the 2")[0] for line in told] == [
        f"4 {project.migrations}/"
    ] * 3
    assert tables(engine) == set()


def test_no_start_passes_over_one_file_of_another_shape(project: Project, engine: Engine) -> None:
    """With everything else applied, a start is answered by one query."""
    project.write("001_one", creates("one"))
    project.eai("migrate", check=True)
    project.write("v002_two", UP)
    for arguments in (("migrate",), ("migrate", "status")):
        done = project.eai(*arguments)
        assert done.returncode == 4
        assert "v002_two.py: this file defines `up`, but its name does not begin" in done.stderr
    assert {line[0] for line in public(project)} == {"4"}
    project.remove("v002_two")
    project.write("002_two", creates("two"))
    project.eai("migrate", check=True)
    assert {"one", "two"} <= tables(engine)


@pytest.mark.parametrize("command", ["eai", "alembic"])
def test_a_first_migration_is_written_beside_a_helper_module(
    folder_project: Project, command: str
) -> None:
    folder_project.write("helpers", "def add_column(db):\n    pass\n")
    assert folder_project.eai("migrate", "check").returncode == 4
    if command == "eai":
        folder_project.eai("migrate", "new", "first", check=True)
    else:
        folder_project.alembic("revision", "-m", "first", check=True)
    assert (folder_project.migrations / "001_first.py").exists()


def test_no_command_runs_a_new_file_that_nobody_has_written(
    project: Project, engine: Engine
) -> None:
    project.write("001_one", creates("one"))
    project.eai("migrate", "new", "second", check=True)
    told = "migrations/002_second.py:12: `upgrade` is not written yet: "
    for arguments in (
        ("migrate",),
        ("migrate", "--sql"),
        ("migrate", "rehearse", "--yes"),
        ("migrate", "status", "--check"),
    ):
        done = project.eai(*arguments)
        assert (done.returncode, arguments) == (4, arguments)
        assert told in done.stderr
    assert told in project.eai("migrate", "status", "--offline", check=True).stderr
    check = project.eai("migrate", "check", "--database")
    assert check.returncode == 4
    assert check.stdout.count("`upgrade` is not written yet") == 1
    assert tables(engine) == set()
    project.eai("migrate", "--to", "001_one", check=True)
    assert books(engine).applied == ["001_one"]
    file = project.migrations / "002_second.py"
    file.write_text(file.read_text().replace("your SQL", "CREATE TABLE second ()", 1))
    project.eai("migrate", check=True)
    assert books(engine).applied == ["001_one", "002_second"]
