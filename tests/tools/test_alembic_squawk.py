"""alembic-squawk, which cuts the script of `alembic upgrade --sql` into files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.alembic_books import write_three

if TYPE_CHECKING:
    from support.project import Project


def test_each_migration_gets_its_file(folder_project: Project) -> None:
    write_three(folder_project)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folder_project.program("alembic-squawk", "--out-dir", "sql", env={"PATH": path}, check=True)
    files = sorted((folder_project.path / "sql").iterdir())
    assert [file.name for file in files] == ["001_one.sql", "002_two.sql", "003_three.sql"]
    assert "CREATE TABLE two" in files[1].read_text()
    assert "CREATE TABLE three" not in files[1].read_text()
