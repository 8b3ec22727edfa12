"""An env.py of a team's own that goes to Alembic by itself, and -x arguments that nobody knows."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.alembic_books import Books, books, creates, execute, tables, write_three

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

#: As `alembic init` writes it, in short.
BY_ITSELF = """\
import os

from alembic import context
from sqlalchemy import MetaData, create_engine

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=MetaData())
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection, target_metadata=MetaData())
        with context.begin_transaction():
            context.run_migrations()
"""

OWN = """
    [alembic]
    script_location = %(here)s/theirs
    plain_files = true
    version_locations = %(here)s/migrations
    path_separator = os
"""


@pytest.fixture
def theirs(project: Project) -> Project:
    write_three(project)
    project.ini(OWN)
    (project.path / "theirs").mkdir()
    (project.path / "theirs" / "env.py").write_text(BY_ITSELF)
    return project


def sentence(project: Project) -> str:
    return (
        f"{project.path}/theirs/env.py does not call bridge.run_environment(context), so that "
        "Alembic would work without the ledger. Nothing was run, recorded or written. Call it in "
        "place of context.configure() and context.run_migrations(); or, if these are no plain "
        "files, remove plain_files from alembic.ini.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("upgrade", "head"),
        ("upgrade", "head", "--sql"),
        ("upgrade", "base:001_one", "--sql"),
        ("downgrade", "base"),
        ("stamp", "head"),
        ("stamp", "base"),
        ("stamp", "--purge", "head"),
        ("stamp", "head", "--sql"),
        ("revision", "--autogenerate", "-m", "more"),
        ("current",),
        ("history", "-i"),
        ("check",),
        ("ensure_version",),
    ],
    ids=" ".join,
)
def test_no_command_of_alembics_works_without_the_ledger(
    theirs: Project, engine: Engine, arguments: tuple[str, ...]
) -> None:
    refused = theirs.alembic(*arguments)
    assert (refused.returncode, refused.stderr) == (2, f"FAILED: {sentence(theirs)}")
    assert tables(engine) == set()
    assert len(list(theirs.migrations.iterdir())) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("migrate", "--dry-run"),
        ("migrate", "--sql"),
        ("migrate", "rehearse"),
        ("migrate", "new", "more", "--autogenerate"),
    ],
    ids=" ".join,
)
def test_no_command_of_bridges_works_without_the_ledger(
    theirs: Project, engine: Engine, arguments: tuple[str, ...]
) -> None:
    refused = theirs.eai(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.endswith(sentence(theirs))
    assert tables(engine) == set()
    assert len(list(theirs.migrations.iterdir())) == 3


def test_what_is_recorded_stays_as_it_is(theirs: Project, engine: Engine) -> None:
    theirs.ini()
    theirs.alembic("upgrade", "002_two", check=True)
    theirs.ini(OWN)
    two = Books(["001_one", "002_two"], ["002_two"])
    for arguments in (("stamp", "base"), ("stamp", "--purge", "head"), ("downgrade", "-1")):
        assert theirs.alembic(*arguments).returncode == 2
        assert books(engine) == two
    assert tables(engine) == {"one", "two", "schema_migrations", "alembic_version"}


def test_what_needs_no_env_py_works_with_any(theirs: Project) -> None:
    assert "003_three (head)" in theirs.alembic("history", check=True).stdout
    assert theirs.alembic("heads", check=True).stdout == "003_three (head)\n"
    theirs.alembic("revision", "-m", "four", check=True)
    theirs.eai("migrate", "new", "five", check=True)
    written = {path.name for path in theirs.migrations.glob("00[45]*")}
    assert written == {"004_four.py", "005_five.py"}


def test_a_program_gets_a_command_error(theirs: Project) -> None:
    (theirs.path / "program.py").write_text(
        dedent("""\
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        for step in (command.stamp, command.upgrade):
            try:
                step(Config("alembic.ini"), "head")
            except CommandError as error:
                print(error.__cause__.exit_code, error)
        """)
    )
    assert theirs.script("program.py", check=True).stdout == f"2 {sentence(theirs)}" * 2


# The schema of both tables, by the name of the default schema.


MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    for name in ("one", "two", "three"):
        Table(name, metadata, Column("id", Integer))
"""


@pytest.mark.parametrize("more", ["", "include_schemas = true\n"])
@pytest.mark.parametrize(
    ("schema", "path"), [("public", "public"), ("ops", "public,ops"), ("ops", "public")]
)
def test_both_tables_are_left_out_wherever_the_settings_say_they_are(
    project: Project, engine: Engine, schema: str, path: str, more: str
) -> None:
    write_three(project)
    (project.path / "models.py").write_text(dedent(MODELS))
    project.ini(
        extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n"
        f"version_table_schema = {schema}\n{more}"
    )
    execute(
        engine,
        "CREATE SCHEMA ops",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = "
        f"{path}', current_database()); END $$",
    )
    project.alembic("upgrade", "head", check=True)
    assert project.alembic("check", check=True).stdout == "No new upgrade operations detected.\n"
    nothing = project.eai("migrate", "new", "more", "--autogenerate", check=True)
    assert nothing.stdout == (
        "Nothing to do: the database is as the models say. No file was written.\n"
    )
    execute(engine, "CREATE TABLE left_over (id integer)")
    project.alembic("revision", "--autogenerate", "-m", "more", check=True)
    written = (project.migrations / "004_more.py").read_text()
    assert written.count("DROP TABLE") == 1
    assert "schema_migrations" not in written
    assert "alembic_version" not in written


def test_a_program_that_compares_by_itself_leaves_both_tables_out(
    project: Project, engine: Engine
) -> None:
    project.ini(extra="ledger_table = applied\nversion_table = pointer\n")
    project.write("001_one", creates("one"))
    project.alembic("upgrade", "head", check=True)
    (project.path / "program.py").write_text(
        dedent("""\
        import os

        from alembic.autogenerate import compare_metadata
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy import Column, Integer, MetaData, Table, create_engine

        import bridge

        metadata = MetaData()
        Table("one", metadata, Column("id", Integer))

        def not_two(obj, name, kind, reflected, compare_to):
            return name != "two"

        with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
            for own in (None, not_two):
                options = {"include_object": bridge.without_ledger(connection, own)}
                context = MigrationContext.configure(connection, opts=options)
                found = compare_metadata(context, metadata)
                print([(what, table.name) for what, table in found])
        """)
    )
    assert project.script("program.py", check=True).stdout == "[]\n[]\n"
    execute(engine, "CREATE TABLE two (id integer)")
    assert project.script("program.py", check=True).stdout == "[('remove_table', 'two')]\n[]\n"


# -x


READS = """
    from alembic import context
    from sqlalchemy import text

    def upgrade(db):
        name = context.get_x_argument(as_dictionary=True)["name"]
        db.execute(text(f"CREATE TABLE {name} ()"))
        db.commit()
"""


def test_an_argument_that_nobody_knows_is_told_and_a_migration_may_read_it(
    project: Project, engine: Engine
) -> None:
    project.write("001_reads", READS)
    arguments = ("-x", "name=chosen", "-x", "wait_for_lock=9")
    done = project.alembic(*arguments, "upgrade", "head", check=True)
    told = (
        "Warning: -x name is not a setting, and bridge does nothing with it. A migration can read "
        "it with context.get_x_argument()."
    )
    assert done.stderr.splitlines().count(told) == 1
    assert "wait_for_lock" not in done.stderr
    assert "chosen" in tables(engine)
    script = project.alembic("-x", "name=other", "upgrade", "head", "--sql", check=True)
    assert script.stderr.startswith("Warning: -x name is not a setting")
    assert "CREATE TABLE other" in script.stdout
    misspelt = project.alembic("-x", "wait_for_lok=9", "upgrade", "head")
    assert misspelt.returncode == 2
    assert misspelt.stderr == (
        "FAILED: -x wait_for_lok is not a setting; did you mean wait_for_lock?\n"
    )


def test_an_env_py_of_the_teams_own_may_read_any_argument(theirs: Project, engine: Engine) -> None:
    assert theirs.url is not None
    url = theirs.url.render_as_string(hide_password=False)
    (theirs.path / "theirs" / "env.py").write_text(
        "from alembic import context\nimport bridge\n"
        "print(context.get_x_argument(as_dictionary=True))\nbridge.run_environment(context)\n"
    )
    done = theirs.alembic(
        *("-x", "tenant=a", "-x", "transactions=b", "-x", f"database_url={url}"),
        *("upgrade", "head"),
        check=True,
    )
    assert done.stdout == f"{{'tenant': 'a', 'transactions': 'b', 'database_url': {url!r}}}\n"
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("Warning: "))
    assert told == (
        "Warning: -x transactions is not a setting of bridge. If transaction is meant, write "
        "-x transaction; as it is, only env.py can read it."
    )
    assert len(books(engine).applied) == 3
