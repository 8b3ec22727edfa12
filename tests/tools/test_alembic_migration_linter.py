"""alembic-migration-linter, which writes the SQL of a revision by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import write_three

if TYPE_CHECKING:
    import subprocess

    from support.project import Project

#: Through the Session, and through `alembic.op`.
BREAKS = """\
from alembic import op
from sqlalchemy import text
def upgrade(db):
    db.execute(text("ALTER TABLE one ADD COLUMN what text NOT NULL"))
    db.commit()
    op.drop_table("two")
"""
FINE = """\
from alembic import op
def upgrade(db):
    op.execute("COMMENT ON TABLE one IS '100%; fine'")
"""
READS = """\
from sqlalchemy import text
def upgrade(db):
    if not db.execute(text("SELECT 1")).scalar():
        return
"""


def lint(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(project.path)}  # where it keeps what it has found
    return project.program("alembic-lint", *arguments, env=home)


@pytest.fixture
def three(folder_project: Project) -> Project:
    write_three(folder_project)
    return folder_project


def test_it_finds_what_breaks_older_releases(three: Project) -> None:
    three.write("004_breaks", BREAKS)
    three.write("005_fine", FINE)
    done = lint(three)
    assert done.returncode == 1, done.stderr
    assert "(003_three)... OK\n" in done.stdout
    assert "(004_breaks)... ERR\n\tDROP_TABLE\n\tNOT_NULL\n" in done.stdout
    assert "(005_fine)... OK\n" in done.stdout


def test_a_file_that_needs_a_database_is_told_with_its_line(three: Project) -> None:
    three.write("004_reads", READS)
    done = lint(three)
    assert done.returncode == 1
    assert "004_reads.py:3: this line reads what a statement answers (SELECT 1)" in done.stderr
