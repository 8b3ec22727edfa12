"""alembic-linear-migrations: its file with the head lies beside the migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.alembic_books import write_three

if TYPE_CHECKING:
    from support.project import Project

HOOK = """
[post_write_hooks]
hooks = alembic_linear
alembic_linear.type = console_scripts
alembic_linear.entrypoint = alembic-linear-update
"""


def head(project: Project) -> str:
    return (project.migrations / "head.txt").read_text().splitlines()[-1]


def test_the_head_is_recorded_and_checked(folder_project: Project) -> None:
    write_three(folder_project)
    folder_project.program("alembic-linear", "update", check=True)
    assert head(folder_project) == "003_three"
    folder_project.program("alembic-linear", "check", check=True)
    folder_project.write("004_four", "def upgrade(db): pass")
    stale = folder_project.program("alembic-linear", "check")
    assert stale.returncode == 1
    assert "recorded: 003_three" in stale.stderr


def test_its_hook_records_a_new_file(folder_project: Project) -> None:
    write_three(folder_project)
    folder_project.ini(extra=HOOK)
    folder_project.program("alembic", "revision", "-m", "add four", check=True)
    assert head(folder_project) == "004_add_four"
    folder_project.program("eai", "migrate", "new", "add five", check=True)
    assert head(folder_project) == "005_add_five"
