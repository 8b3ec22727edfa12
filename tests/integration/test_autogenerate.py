"""What a comparison with the models writes: SQL that applies, is complete, and goes back."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.operations import ops
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.alembic.invocation import KEY, Invocation
from bridge.database.request import Request
from support.alembic_books import execute
from support.dump import dump_schema
from support.model_changes import CHANGES, widgets
from support.models import become
from support.project import Project
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from support.databases import Databases

#: The tables in which bridge keeps its books.
BOOKS = ("schema_migrations", "alembic_version")

INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
target_metadata = support.models:current
compare_server_default = true
include_schemas = true
"""

#: Leaves an empty database, but for the schema that everyone has.
RESET = """
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_|^information_schema$'
        LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', name);
        END LOOP;
        CREATE SCHEMA public;
    END
    $$
"""


@dataclass(frozen=True)
class Bench:
    """A project on a database, whose commands run in this process."""

    project: Project
    engine: Engine

    def generate(self, message: str = "change", **options: Any) -> str:
        """The text of the file that a comparison writes; "" if it writes none."""
        script = self.run(command.revision, message, autogenerate=True, **options)
        return Path(script.path).read_text() if script else ""

    def upgrade(self) -> None:
        self.run(command.upgrade, "head")

    def downgrade(self) -> None:
        self.run(command.downgrade, "-1")

    def become(self, source: str) -> None:
        """Change the models and the database with them."""
        become(source)
        if self.generate("before"):
            self.upgrade()

    def check(self) -> None:
        """Fail if the database is not what the models say."""
        self.run(command.check)

    def run(self, do: Callable[..., Any], *args: Any, **options: Any) -> Any:
        config = Config(self.project.path / "alembic.ini", stdout=io.StringIO())
        config.attributes["connection"] = self.engine
        config.attributes[KEY] = Invocation(request=Request(reporter=Recording()), writes_file=True)
        return do(config, *args, **options)

    def dump(self) -> str:
        return dump_schema(self.engine.url, exclude=BOOKS)

    def refused(self, **options: Any) -> str:
        """Why a comparison writes nothing."""
        there = set(self.project.migrations.iterdir())
        with pytest.raises(CommandError) as caught:
            self.generate(**options)
        assert set(self.project.migrations.iterdir()) == there
        return str(caught.value)


@pytest.fixture(scope="module")
def shared(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    url = databases.take()
    project = Project.create(tmp_path_factory.mktemp("generated") / "project", url, ini=INI)
    return Bench(project, create_engine(url, poolclass=NullPool))


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    """The project without a migration, and its database empty."""
    execute(shared.engine, RESET)
    yield shared
    for file in shared.project.migrations.glob("*.py"):
        file.unlink()
    shared.project.ini(INI)
    become("")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_models_becomes_sql_that_applies_and_goes_back(
    bench: Bench, change: str
) -> None:
    before, after = CHANGES[change]
    bench.become(before)
    at_first = bench.dump()
    become(after)
    source = bench.generate()
    assert "alembic" not in source
    bench.upgrade()
    bench.check()
    changed = bench.dump()
    assert changed != at_first
    bench.downgrade()
    assert bench.dump() == at_first
    bench.upgrade()
    assert bench.dump() == changed


def body(source: str, direction: str = "upgrade") -> str:
    """The statements of one function, without what is the same in every file."""
    _, _, rest = source.partition(f"def {direction}(db):")
    _, _, rest = rest.partition("import text\n\n")
    return rest.partition("    db.commit()\n")[0]


def test_what_a_hook_of_the_project_adds_is_written_where_it_put_it(bench: Bench) -> None:
    become(widgets())

    def hook(_context: object, _revision: object, directives: list[ops.MigrationScript]) -> None:
        (directive,) = directives
        assert directive.upgrade_ops is not None
        directive.upgrade_ops.ops.insert(0, ops.ExecuteSQLOp("CREATE EXTENSION citext"))
        directive.upgrade_ops.ops.append(ops.ExecuteSQLOp("INSERT INTO widgets VALUES (1, 'a%')"))

    source = bench.generate(process_revision_directives=hook)
    assert (
        body(source)
        == '''\
    db.execute(text("CREATE EXTENSION citext"))

    db.execute(
        text("""
            CREATE TABLE widgets (
                id SERIAL NOT NULL,
                name VARCHAR(50),
                PRIMARY KEY (id)
            )
        """)
    )

    db.execute(text("INSERT INTO widgets VALUES (1, 'a%')"))
'''
    )


def test_a_hook_that_takes_the_file_away_is_obeyed(bench: Bench) -> None:
    become(widgets())
    written = bench.run(
        command.revision,
        "change",
        autogenerate=True,
        process_revision_directives=lambda _context, _revision, directives: directives.clear(),
    )
    assert written == []
    assert list(bench.project.migrations.glob("*.py")) == []


class AskingOp(ops.MigrateOperation):
    """An operation of a plugin's, which nobody can run without a database."""


def test_an_operation_that_cannot_be_told_is_refused_and_nothing_is_written(bench: Bench) -> None:
    become(widgets())

    def hook(_context: object, _revision: object, directives: list[ops.MigrationScript]) -> None:
        assert directives[0].upgrade_ops is not None
        directives[0].upgrade_ops.ops.append(AskingOp())

    told = bench.refused(process_revision_directives=hook)
    assert told.startswith("The operation AskingOp cannot be written as SQL: ")
    assert told.endswith(
        " Nothing was written. Write that part of the migration by hand, and leave the operation "
        "out with include_object, or with process_revision_directives in an env.py."
    )


def test_an_index_built_concurrently_makes_a_file_without_a_transaction(bench: Bench) -> None:
    bench.become(widgets())
    become(widgets('Index("ix", "name", postgresql_concurrently=True)'))
    source = bench.generate()
    assert body(source) == (
        '    db.execute(text("CREATE INDEX CONCURRENTLY ix ON widgets (name)"))\n'
    )
    assert '\ntransaction = "autocommit"\n' in source
    bench.upgrade()
    bench.check()


def test_without_a_difference_no_file_is_written(bench: Bench) -> None:
    bench.become(widgets())
    assert bench.generate() == ""
    assert len(list(bench.project.migrations.glob("*.py"))) == 1


def test_a_database_that_is_behind_is_refused(bench: Bench) -> None:
    become(widgets())
    bench.generate("first")
    assert bench.refused() == (
        "Target database is not up to date: 001_first.py is pending. Nothing was compared and "
        "nothing was written, because the models may have those changes already. Type eai "
        "migrate, then the same command again."
    )


def test_without_models_it_is_said_where_they_are_named(bench: Bench) -> None:
    bench.project.ini(INI.replace("target_metadata", "# target_metadata"))
    assert bench.refused() == (
        "There are no models to compare the database with. Name them in alembic.ini: "
        "target_metadata = app.models:Base.metadata"
    )


WITH_NOTES = """\
    db.execute(text("ALTER TABLE widgets ADD COLUMN c TEXT"))

    # Fails if widgets has rows: add it without NOT NULL, fill it, then SET NOT NULL.
    db.execute(text("ALTER TABLE widgets ADD COLUMN d DATE NOT NULL"))

    db.execute(text("ALTER TABLE widgets ALTER COLUMN name TYPE TEXT"))

    # Fails where widgets.name is NULL: fill those rows first.
    db.execute(text("ALTER TABLE widgets ALTER COLUMN name SET NOT NULL"))

    # What is in widgets.b is lost.
    # A rename? Then, in place of both statements:
    #   ALTER TABLE widgets RENAME COLUMN b TO c
    db.execute(text("ALTER TABLE widgets DROP COLUMN b"))

    # What is in widgets.a is lost.
    # A rename? Then, in place of both statements:
    #   ALTER TABLE widgets RENAME COLUMN a TO c
    db.execute(text("ALTER TABLE widgets DROP COLUMN a"))
"""


def test_generated_files_are_formatted_and_say_what_they_lose(bench: Bench) -> None:
    bench.become(widgets('Column("a", Text)', 'Column("b", Text)'))
    become(
        widgets(
            'Column("c", Text)', 'Column("d", sa.Date, nullable=False)', name="Text, nullable=False"
        )
    )
    source = bench.generate("rename a to c")
    assert body(source) == WITH_NOTES
    written = bench.project.migrations / "002_rename_a_to_c.py"
    ruff = Path(sys.executable).parent / "ruff"
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [ruff, *check, "--isolated", written], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_rows_that_a_hook_of_the_project_adds_are_written_with_their_values(bench: Bench) -> None:
    become(widgets())

    def hook(_context: object, _revision: object, directives: list[ops.MigrationScript]) -> None:
        upgrade = directives[0].upgrade_ops
        assert upgrade is not None
        upgrade.ops.append(
            ops.BulkInsertOp(
                sa.table("widgets", sa.column("id", sa.Integer), sa.column("name", sa.String)),
                [{"id": 1, "name": "it's\t1%"}, {"id": 2, "name": None}],
            )
        )

    source = bench.generate(process_revision_directives=hook)
    assert r"""text("INSERT INTO widgets (id, name) VALUES (1, 'it''s\t1%')")""" in source
    assert """text("INSERT INTO widgets (id, name) VALUES (2, NULL)")""" in source
    bench.upgrade()
