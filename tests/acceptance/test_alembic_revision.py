"""What `alembic revision` writes, and what it and `alembic merge` refuse to write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.alembic_books import books, tables, write_three
from support.widgets import WIDGETS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

MODELS = """
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    metadata = sa.MetaData()
    sa.Table(
        "widgets",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), server_default="it's \\"new\\"", nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text), index=True),
    )
    # A team may have a model of the ledger, as the old runner made it.
    sa.Table("schema_migrations", metadata, sa.Column("version", sa.String(255), primary_key=True))
"""

GENERATED = '''\
"""
Migration: widgets
"""

description = "widgets"


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    db.execute(
        text("""
            CREATE TABLE widgets (
                id SERIAL NOT NULL,
                name VARCHAR(50) DEFAULT 'it\'\'s "new"' NOT NULL,
                tags TEXT[],
                PRIMARY KEY (id)
            )
        """)
    )

    db.execute(text("CREATE INDEX ix_widgets_tags ON widgets (tags)"))
    db.commit()


def downgrade(db):
    """Undo what upgrade() did."""
    from sqlalchemy import text

    # The rows of widgets are lost.
    db.execute(text("DROP TABLE widgets"))
    db.commit()
'''

LINE = (
    "plain files form one history, in the order of their names, so there are never two heads. "
    "Nothing was written. Two files may share a number, and a late file still runs. "
    'For a new file, type: alembic revision -m "what it does"\n'
)


def with_models(project: Project, models: str = MODELS) -> None:
    (project.path / "models.py").write_text(dedent(models))
    project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n")


def ruff(*files: Path, format: bool = False) -> None:  # noqa: A002
    """Ruff with its own defaults, whatever this repository has set."""
    command = [Path(sys.executable).parent / "ruff", "format" if format else "check", "--isolated"]
    if format:
        command.append("--check")
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_revision_writes_the_next_plain_file_without_a_database(folder_project: Project) -> None:
    write_three(folder_project)
    done = folder_project.alembic("revision", "-m", "add widgets", check=True)
    written = folder_project.migrations / "004_add_widgets.py"
    assert done.stdout == f"Generating {written} ...  done\n"
    assert written.read_text() == WIDGETS
    ruff(written)
    ruff(written, format=True)
    folder_project.alembic("revision", "-m", "Größe: 50% größer!", "--rev-id", "010", check=True)
    numbered = folder_project.migrations / "010_groe_50_groer.py"
    assert 'description = "Größe: 50% größer!"' in numbered.read_text()
    folder_project.alembic("revision", check=True)
    history = folder_project.alembic("history", check=True).stdout.splitlines()
    assert history[:3] == [
        "010_groe_50_groer -> 011_migration (head), Say here what this migration does",
        "004_add_widgets -> 010_groe_50_groer, Größe: 50% größer!",
        "003_three -> 004_add_widgets, add widgets",
    ]


def test_a_new_file_runs_in_each_direction_once_that_is_written(
    project: Project, engine: Engine
) -> None:
    project.alembic("revision", "-m", "first", check=True)
    file = project.migrations / "001_first.py"
    untouched = file.read_text()
    assert project.alembic("history", "--verbose", check=True).stdout.count("001_first") > 1
    refused = project.alembic("upgrade", "head")
    assert refused.returncode == 4
    assert f"{file}:12: `upgrade` is not written yet: " in refused.stderr
    assert tables(engine) == set()
    file.write_text(untouched.replace("your SQL", "CREATE TABLE first ()", 1))
    project.alembic("upgrade", "head", check=True)
    assert books(engine).applied == ["001_first"]
    refused = project.alembic("downgrade", "base")
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        f"{file}:20: `downgrade` is not written yet: it still has the placeholder `your SQL` of a "
        "new file. Write the SQL that undoes this migration in its place, or remove `downgrade`. "
        "Nothing was run. You can go back as far as this migration, and no further: alembic "
        "downgrade 001_first\n"
    )
    assert books(engine).applied == ["001_first"]
    file.write_text(file.read_text().replace("your SQL", "DROP TABLE first"))
    project.alembic("downgrade", "base", check=True)
    assert books(engine).applied == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("revision", "--splice"), f"--splice has no meaning here: {LINE}"),
        (("revision", "--head", "001_one"), f"--head 001_one cannot be followed: {LINE}"),
        (("merge", "heads"), f"There is nothing to merge: {LINE}"),
        (("merge", "001_one", "002_two"), f"There is nothing to merge: {LINE}"),
        (("revision", "--rev-id", "2"), "The number 2 is taken by 002_two.py."),
        (("revision", "--version-path", "else"), "--version-path cannot be another folder than"),
    ],
)
def test_what_a_line_cannot_have_is_refused_and_nothing_is_written(
    folder_project: Project, arguments: tuple[str, ...], reason: str
) -> None:
    write_three(folder_project)
    refused = folder_project.alembic(*arguments, "-m", "x")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"FAILED: {reason}")
    assert len(list(folder_project.migrations.iterdir())) == 3


def test_what_is_there_already_is_never_overwritten(folder_project: Project) -> None:
    write_three(folder_project)
    in_the_way = folder_project.migrations / "004_x.py"
    # It was not there when the number was chosen.
    folder_project.ini(extra="template = new.mako\n")
    (folder_project.path / "new.mako").write_text(
        f"<% open({str(in_the_way)!r}, 'w').close() %>def upgrade(db): pass\n"
    )
    refused = folder_project.alembic("revision", "-m", "x")
    assert refused.returncode == 4
    assert refused.stderr == (
        f"FAILED: {in_the_way} exists already, and was not changed. Rename or remove it.\n"
    )


def test_autogenerate_writes_a_file_of_sql_that_applies_and_reverts(
    project: Project, engine: Engine
) -> None:
    with_models(project)
    written = project.migrations / "001_widgets.py"
    done = project.alembic("revision", "--autogenerate", "-m", "widgets", check=True)
    assert done.stdout == f"Generating {written} ...  done\n"
    assert tables(engine) == set()
    assert written.read_text() == GENERATED
    ruff(written)
    ruff(written, format=True)
    project.alembic("upgrade", "head", check=True)
    assert project.alembic("check", check=True).stdout == "No new upgrade operations detected.\n"
    assert "widgets" in tables(engine)
    project.alembic("downgrade", "base", check=True)
    assert tables(engine) == {"alembic_version", "schema_migrations"}


def test_autogenerate_wants_a_database_that_is_up_to_date_and_a_difference(
    project: Project, engine: Engine
) -> None:
    with_models(project, "import sqlalchemy as sa\nmetadata = sa.MetaData()\n")
    write_three(project)
    behind = project.alembic("revision", "--autogenerate", "-m", "add widgets")
    assert (behind.returncode, behind.stdout) == (4, "")
    assert behind.stderr.endswith(
        "FAILED: Target database is not up to date: 001_one.py, 002_two.py, 003_three.py are "
        "pending. Nothing was compared and nothing was written, because the models may have "
        "those changes already. First type: eai migrate; then the same command again.\n"
    )
    for stem in ("001_one", "002_two", "003_three"):
        project.remove(stem)
    nothing = project.alembic("revision", "--autogenerate", "-m", "add widgets", check=True)
    assert nothing.stdout == (
        "Nothing to do: the database is as the models say. No file was written.\n"
    )
    assert list(project.migrations.iterdir()) == []
    assert tables(engine) == set()


def test_post_write_hooks_of_the_project_are_run(folder_project: Project) -> None:
    folder_project.ini(
        extra="""
        [post_write_hooks]
        hooks = mark
        mark.type = exec
        mark.executable = /bin/sh
        mark.options = -c 'echo "# marked" >> REVISION_SCRIPT_FILENAME'
        """
    )
    folder_project.alembic("revision", "-m", "first", check=True)
    written = folder_project.migrations / "001_first.py"
    assert written.read_text().endswith("# marked\n")


def test_one_process_writes_one_file_after_the_other(folder_project: Project) -> None:
    (folder_project.path / "program.py").write_text(
        dedent("""\
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory
        from alembic.util import CommandError, rev_id

        config = Config("alembic.ini")
        for message in ("first", "second"):
            print(command.revision(config, message).revision)
        print(command.revision(config, "tenth", rev_id="010").down_revision)
        script = ScriptDirectory.from_config(config)
        for message in ("eleventh", "twelfth"):
            print(script.generate_revision(rev_id(), message, head="head").down_revision)
        print(script.get_current_head())
        print(script.generate_revision("005", "fifth").nextrev)
        for heads in ("heads", ["heads"], "012_twelfth"):
            try:
                command.merge(config, heads)
            except CommandError as error:
                print(error.__cause__.exit_code)
        """)
    )
    done = folder_project.script("program.py", check=True)
    assert [line for line in done.stdout.splitlines() if "Generating" not in line] == [
        "001_first",
        "002_second",
        "002_second",
        "010_tenth",
        "011_eleventh",
        "012_twelfth",
        "frozenset({'010_tenth'})",
        "2",
        "2",
        "2",
    ]
