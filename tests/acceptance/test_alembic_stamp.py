"""`alembic stamp`, `ensure_version` and `check`."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.alembic_books import Books, adopt, books, creates, execute, tables, write_three

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

THREE = ["001_one", "002_two", "003_three"]


@pytest.fixture
def three(project: Project) -> Project:
    write_three(project)
    return project


# Stamp.


def test_a_stamp_makes_both_tables_follow_exactly(three: Project, engine: Engine) -> None:
    for arguments, reached in (
        (("head",), 3),
        (("001_one",), 1),
        (("002",), 2),
        (("base",), 0),
        (("--purge", "head"), 3),
        (("--purge", "base"), 0),
    ):
        three.alembic("stamp", *arguments, check=True)
        assert books(engine) == Books(THREE[:reached], THREE[:reached][-1:]), arguments
    assert tables(engine) == {"schema_migrations", "alembic_version"}


def test_a_stamp_keeps_the_order_of_the_line_and_takes_one_revision(
    three: Project, engine: Engine
) -> None:
    adopt(engine, "001_one", "003_three")
    three.alembic("stamp", "head", check=True)
    assert books(engine) == Books(["001_one", "003_three", "002_two"], ["002_two"])
    refused = three.alembic("stamp", "001_one", "002_two")
    assert refused.returncode == 2
    assert "lain files form one history, so a database is at one revision" in refused.stderr
    assert books(engine).pointer == ["002_two"]


def test_a_stamp_that_would_forget_a_missing_file_needs_purge(
    three: Project, engine: Engine
) -> None:
    three.alembic("upgrade", "head", check=True)
    three.remove("003_three")
    refused = three.alembic("stamp", "001_one")
    assert refused.returncode == 4
    assert "the row of 003_three, whose file is not in this folder" in refused.stderr
    assert "add --purge" in refused.stderr
    assert books(engine) == Books(THREE, ["003_three"])
    three.alembic("stamp", "--purge", "001_one", check=True)
    assert books(engine) == Books(["001_one"], ["001_one"])


def test_ensure_version_creates_a_wide_version_table_and_nothing_else(
    three: Project, engine: Engine
) -> None:
    three.alembic("ensure_version", check=True)
    assert tables(engine) == {"alembic_version"}
    with engine.connect() as connection:
        width = connection.exec_driver_sql(
            "SELECT character_maximum_length FROM information_schema.columns "
            "WHERE table_name = 'alembic_version'"
        ).scalar_one()
    assert width == 255
    three.alembic("upgrade", "head", check=True)
    assert books(engine) == Books(THREE, ["003_three"])


# Check.


MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("one", metadata, Column("id", Integer))
    Table("two", metadata, Column("id", Integer))
    Table("three", metadata, Column("id", Integer))
"""


def test_check_compares_with_the_models_and_leaves_the_ledger_out(
    three: Project, engine: Engine
) -> None:
    three.alembic("upgrade", "head", check=True)
    without = three.alembic("check")
    assert without.returncode == 2
    assert without.stderr.endswith(
        "FAILED: There are no models to compare the database with. Name them in alembic.ini: "
        "target_metadata = app.models:Base.metadata\n"
    )
    (three.path / "models.py").write_text(dedent(MODELS))
    three.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n")
    clean = three.alembic("check", check=True)
    assert clean.stdout == "No new upgrade operations detected.\n"
    execute(engine, "CREATE TABLE left_over (id integer)")
    drift = three.alembic("check")
    assert drift.returncode == 255
    assert "'remove_table', Table('left_over'" in drift.stdout
    assert "schema_migrations" not in drift.stdout
    three.write("004_four", creates("four"))
    behind = three.alembic("check")
    assert (behind.returncode, behind.stdout) == (4, "")
    assert "Target database is not up to date: 004_four.py is pending." in behind.stderr
