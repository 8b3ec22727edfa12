"""An Alembic project is imported and ejected again: the circle closes with the same schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from support import alembic_project
from support.alembic_project import AlembicProject
from support.dump import dump_schema
from support.project import DEFAULT_INI, Project
from support.without_bridge import WithoutBridge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

BOOKS = ("schema_migrations", "alembic_version")
EJECTED = """\
[alembic]
script_location = %(here)s/ejected
path_separator = os
prepend_sys_path = %(here)s:%(here)s/ejected
"""
MORE = """\
from sqlalchemy import text

def upgrade(db):
    db.execute(text("CREATE TABLE more (id int)"))
    db.commit()
"""


def pointers(url: URL) -> list[str]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


@pytest.mark.parametrize("runs_bridge", [False, True], ids=["untouched", "migrated"])
@pytest.mark.parametrize(
    "history",
    [
        alembic_project.tutorial,
        pytest.param(alembic_project.branches, marks=pytest.mark.long),
        pytest.param(alembic_project.large, marks=pytest.mark.long),
    ],
)
def test_a_project_that_was_imported_is_ejected_to_the_same_schema(
    tmp_path: Path,
    server_url: URL,
    create_database: Callable[[], URL],
    history: Callable[[AlembicProject], None],
    *,
    runs_bridge: bool,
) -> None:
    """Whether bridge has migrated its database meanwhile or not."""
    url, new = create_database(), create_database()
    path = tmp_path / "project"
    old = AlembicProject.create(path, url)
    history(old)
    old.upgrade()
    made = dump_schema(url, exclude=BOOKS)

    project = Project(path, url)
    scratch = "--scratch-url", server_url.render_as_string(hide_password=False)
    done = project.eai("migrate", "import", *scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    project.ini(DEFAULT_INI)
    if runs_bridge:
        project.write("900_more", MORE)
        assert project.eai("migrate").returncode == 0
        made = dump_schema(url, exclude=BOOKS)

    done = project.eai("migrate", "eject", "--yes", "--into", "ejected", *scratch)
    assert done.returncode == 0, done.stdout + done.stderr
    last = max(each.stem for each in project.migrations.glob("*.py"))
    assert pointers(url) == [last]
    project.ini(EJECTED)
    alone = WithoutBridge.create(tmp_path / "links", path)
    alone.alembic("current", "--check-heads", url=url)
    alone.alembic("upgrade", "head", url=url)  # nothing to do
    assert dump_schema(url, exclude=BOOKS) == made
    alone.alembic("upgrade", "head", url=new)
    assert dump_schema(new, exclude=BOOKS) == made
