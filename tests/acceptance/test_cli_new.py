"""`eai migrate new`: the next file, where it stands, and what keeps it from being written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bridge
from bridge.database.request import Request
from bridge.errors import BridgeError, FilesError, UsageError
from bridge.operations.new import create
from support.alembic_books import books, creates
from support.project import DEFAULT_INI, Project
from support.running import do
from support.widgets import WIDGETS

if TYPE_CHECKING:
    from sqlalchemy import Engine

MODELS = """\
import sqlalchemy as sa

def metadata():
    found = sa.MetaData()
    sa.Table("widgets", found, sa.Column("id", sa.Integer, primary_key=True))
    return found
"""

TEAMS_OWN = '''\
"""${docstring}

File: ${stem}, after ${down_revision}, on ${create_date.year > 2000}
"""
description = ${description}

def upgrade(db):
    ${upgrades or "pass"}
    db.commit()
'''


def new(project: Project, message: str = "add widgets") -> str:
    """Write a file in this process, and give its path."""
    (path,) = create(Request(config=project.path / "alembic.ini"), message)
    return path


def refused(project: Project, kind: type[BridgeError]) -> str:
    there = sorted(project.path.rglob("*"))
    with pytest.raises(kind) as caught:
        new(project)
    assert sorted(project.path.rglob("*")) == there
    return str(caught.value)


def test_the_next_file_is_written_without_a_database_and_its_path_printed(
    folder_project: Project, tmp_path: Path
) -> None:
    folder_project.write("0009_first", creates("one"))
    done = folder_project.eai("migrate", "new", "add", "widgets", check=True)
    assert (done.stdout, done.stderr) == ("migrations/0010_add_widgets.py\n", "")
    assert (folder_project.migrations / "0010_add_widgets.py").read_text() == WIDGETS
    config = folder_project.path / "alembic.ini"
    elsewhere = folder_project.eai(
        "migrate", "--config", str(config), "new", "add widgets", check=True, cwd=tmp_path
    )
    assert elsewhere.stdout == "project/migrations/0011_add_widgets.py\n"


def test_autogenerate_writes_sql_once(project: Project, engine: Engine) -> None:
    (project.path / "models.py").write_text(MODELS)
    project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n")
    done = project.eai("migrate", "new", "add widgets", "--autogenerate", check=True)
    assert done.stdout == "migrations/001_add_widgets.py\n"
    assert done.stderr.splitlines()[1:] == [
        "upgrade() has 1 statement; none of them loses data.",
        "downgrade() has 1 statement; 1 of them loses data: all rows of widgets.",
    ]
    source = (project.migrations / "001_add_widgets.py").read_text()
    assert "CREATE TABLE widgets (" in source
    bridge.upgrade(engine, config=project.path / "alembic.ini")
    assert books(engine).applied == ["001_add_widgets"]
    nothing = project.eai("migrate", "new", "again", "--autogenerate", check=True)
    assert nothing.stdout == (
        "Nothing to do: the database is as the models say. No file was written.\n"
    )
    assert len(list(project.migrations.glob("*.py"))) == 1
    do(engine, "CREATE TABLE old (id int)", "ALTER TABLE widgets ADD COLUMN old int")
    lossy = project.eai("migrate", "new", "clean up", "--autogenerate", check=True)
    assert (
        'upgrade() has 2 statements; 2 of them lose data: the column "old" of widgets, all rows '
        'of "old".' in lossy.stderr
    )


def test_without_a_folder_it_says_what_to_type(folder_project: Project) -> None:
    folder_project.migrations.rmdir()
    assert refused(folder_project, FilesError) == (
        f"The folder of migrations {folder_project.migrations} does not exist yet. Nothing was "
        f"written. Type mkdir -p {folder_project.migrations} and the same command again, or "
        "correct version_locations in alembic.ini, which names it."
    )


def test_what_is_there_is_never_overwritten(folder_project: Project) -> None:
    in_the_way = folder_project.migrations / "001_add_widgets.py"
    # It was not there when the number was chosen.
    folder_project.ini(extra="template = new.mako\n")
    (folder_project.path / "new.mako").write_text(
        f"<% open({str(in_the_way)!r}, 'w').close() %>def upgrade(db): pass\n"
    )
    with pytest.raises(FilesError) as caught:
        new(folder_project)
    assert str(caught.value) == (
        f"{in_the_way} exists already, and was not changed. Rename or remove it."
    )
    assert in_the_way.read_text() == ""


def test_a_template_of_the_team_s_own_is_used(folder_project: Project) -> None:
    folder_project.write("001_one", creates("one"))
    folder_project.ini(extra="template = templates/new.mako\n")
    (folder_project.path / "templates").mkdir()
    (folder_project.path / "templates" / "new.mako").write_text(TEAMS_OWN)
    assert Path(new(folder_project)).read_text() == (
        '"""add widgets\n\nFile: 002_add_widgets, after 001_one, on True\n"""\n'
        'description = "add widgets"\n\ndef upgrade(db):\n    pass\n    db.commit()\n'
    )


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (None, ", which template in alembic.ini names, cannot be read: No such file or directory."),
        ("${descripton}", " failed: NameError: 'descripton' is not defined."),
        ("% if x:\n", " failed: "),
        (
            "def downgrade(db):\n    pass\n",
            " makes is no migration: ",
        ),
    ],
)
def test_a_template_that_makes_no_migration_is_refused(
    folder_project: Project, template: str | None, told: str
) -> None:
    folder_project.ini(DEFAULT_INI, extra="template = new.mako\n")
    path = folder_project.path / "new.mako"
    if template is not None:
        path.write_text(template)
    message = refused(folder_project, UsageError)
    assert f"template {path}{told}" in message
    assert message.endswith(" Nothing was written.")
