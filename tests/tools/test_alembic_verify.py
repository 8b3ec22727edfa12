"""alembic-verify: its fixtures, in a project whose folder is `migrations`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.alembic_books import write_three
from support.tools import run_pytest

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project

CONFTEST = """\
import os
import secrets
import pytest
from sqlalchemy import make_url

@pytest.fixture
def alembic_db_uri():
    name = f"verified_{secrets.token_hex(4)}"
    url = make_url(os.environ["TEST_DATABASE_URL"]).set(database=name)
    return url.render_as_string(hide_password=False)

@pytest.fixture
def alembic_ini_location():
    return "alembic.ini"
"""
TESTS = """\
import pytest
from alembic import command
from alembicverify import (
    get_current_revision, get_head_revision, prepare_schema_from_migrations
)
from sqlalchemy import inspect

@pytest.mark.usefixtures("alembic_new_db")
def test_up_and_down(alembic_config, alembic_db_uri):
    with prepare_schema_from_migrations(alembic_db_uri, alembic_config) as (engine, script):
        head = get_head_revision(alembic_config, engine, script)
        assert head == get_current_revision(alembic_config, engine, script) == "003_three"
        assert inspect(engine).has_table("three")
        while (current := get_current_revision(alembic_config, engine, script)) is not None:
            command.downgrade(alembic_config, "-1")
            assert get_current_revision(alembic_config, engine, script) != current
        assert not inspect(engine).has_table("one")
"""


def test_its_fixtures_work(project: Project, server_url: URL) -> None:
    write_three(project)
    done = run_pytest(
        project, server_url, CONFTEST, TESTS, plugin="pytest_alembic_verify", check=True
    )
    assert "1 passed" in done.stdout
