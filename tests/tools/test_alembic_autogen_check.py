"""alembic-autogen-check: whether the models fit the migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.alembic_books import write_three

if TYPE_CHECKING:
    from support.project import Project

MODELS = """\
from sqlalchemy import Column, Integer, MetaData, Table
metadata = MetaData()
for name in ("one", "two", "three"):
    Table(name, metadata, Column("id", Integer))
"""


def test_it_tells_models_that_fit_from_models_that_do_not(project: Project) -> None:
    write_three(project)
    project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n")
    (project.path / "models.py").write_text(MODELS)
    project.alembic("upgrade", "head", check=True)
    fits = project.program("alembic-autogen-check")
    assert fits.returncode == 0, fits.stderr
    assert "INFO: Migrations in sync." in fits.stderr
    (project.path / "models.py").write_text(MODELS.replace('"three"', '"three", "four"'))
    differs = project.program("alembic-autogen-check")
    assert differs.returncode == 1
    assert "'add_table'" in differs.stderr
    assert "schema_migrations" not in differs.stderr
    assert len(list(project.migrations.glob("*.py"))) == 3
