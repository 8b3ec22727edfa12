"""alembic-gauntlet, with the env.py of docs/pages/alembic.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.alembic_books import write_three
from support.tools import recipe, run_pytest

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project

CONFTEST = """\
import os
import pytest
from sqlalchemy import make_url

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def migration_db_url():
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    return url.render_as_string(hide_password=False)
"""
TESTS = """\
import pytest
from alembic_gauntlet import MigrationTestBase
from sqlalchemy import Column, Integer, MetaData, Table

metadata = MetaData()
for name in ("one", "two", "three"):
    Table(name, metadata, Column("id", Integer))

@pytest.mark.anyio
class TestMigrations(MigrationTestBase):
    migration_diff_ignore_tables = ["schema_migrations"]

    @pytest.fixture
    def orm_metadata(self):
        return metadata
"""


def test_all_its_tests_pass(project: Project, server_url: URL) -> None:
    write_three(project)
    (project.path / "db").mkdir()
    (project.path / "db" / "env.py").write_text(recipe("alembic-gauntlet"))
    project.ini(
        "[alembic]\nscript_location = %(here)s/db\nplain_files = true\n"
        "version_locations = %(here)s/migrations\npath_separator = os\n"
    )
    done = run_pytest(project, server_url, CONFTEST, TESTS, plugin="alembic-gauntlet", check=True)
    assert "7 passed" in done.stdout
