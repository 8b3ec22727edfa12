"""What a comparison with the models writes: SQL that applies, is complete, and goes back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.operations import ops

from support.comparing import INI, Bench, body
from support.model_changes import CHANGES, widgets
from support.models import become


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
        "nothing was written, because the models may have those changes already. First type: "
        "eai migrate; then the same command again."
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
