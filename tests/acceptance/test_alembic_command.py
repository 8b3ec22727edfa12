"""The command `alembic` in a folder that holds an alembic.ini and plain files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import Books, adopt, books, creates, execute, tables, write_three

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

THREE = ["001_one", "002_two", "003_three"]
LONG = "035_" + "a_name_of_more_than_sixty_characters_as_people_do_write_them_now_and_then"


@pytest.fixture
def three(project: Project) -> Project:
    write_three(project)
    return project


# Commands that need no database.


def test_history_heads_branches_and_show_need_no_database_and_no_url(three: Project) -> None:
    no_url = {"DATABASE_URL": None}
    history = three.alembic("history", env=no_url, check=True)
    assert history.stdout.splitlines() == [
        "002_two -> 003_three (head), Create three",
        "001_one -> 002_two, Create two",
        "<base> -> 001_one, Create one",
    ]
    assert history.stderr == ""
    verbose = three.alembic("history", "-v", "-r", "001:002", env=no_url, check=True).stdout
    assert verbose == (
        "Rev: 002_two\n"
        "Parent: 001_one\n"
        f"Path: {three.migrations}/002_two.py\n"
        "\n"
        "    Migration: The table two\n"
        "    It is made for a test.\n"
        "\n"
        "Rev: 001_one\n"
        "Parent: <base>\n"
        f"Path: {three.migrations}/001_one.py\n"
        "\n"
        "    Migration: The table one\n"
        "    It is made for a test.\n"
        "\n"
    )
    assert three.alembic("heads", env=no_url, check=True).stdout == "003_three (head)\n"
    assert three.alembic("branches", env=no_url, check=True).stdout == ""
    assert "Rev: 002_two" in three.alembic("show", "002", env=no_url, check=True).stdout


def test_a_stem_a_part_of_one_and_a_step_from_one_name_a_revision(project: Project) -> None:
    for stem in ("001_one", "002_add-index", "003_o'brien", "034_a", "034_b", LONG):
        project.write(stem, creates("t"))
    for given, found in (
        ("002_add-index", "002_add_index"),
        ("003_o'b", "003_o_brien"),
        (LONG, LONG),
    ):
        assert f"Rev: {found}" in project.alembic("show", given, check=True).stdout
    several = project.alembic("history", "-r", "002_add-index:034_a", check=True).stdout
    assert several.splitlines() == [
        "003_o_brien -> 034_a, Create t",
        "002_add_index -> 003_o_brien, Create t",
        "001_one -> 002_add_index, Create t",
    ]
    shared = project.alembic("upgrade", "034")
    assert shared.returncode == 255
    assert shared.stdout == (
        "FAILED: '034' may mean any of 2 migrations: 034_a, 034_b. Several files may share a "
        "number, so write the whole name, for example 034_b\n"
    )
    unknown = project.alembic("show", "999")
    assert unknown.returncode == 255
    assert unknown.stdout == (
        "FAILED: No migration is called '999', and none begins like that: neither a file in "
        f"{project.migrations} nor a migration that this database records. To see them, type: "
        "alembic history\n"
    )


def test_a_bad_file_is_named_where_its_text_is_needed_and_nowhere_else(three: Project) -> None:
    bad = three.write("004_bad", "def upgrade(db:\n")
    history = three.alembic("history")
    assert history.returncode == 4
    assert f"FAILED: {bad}:1: this is not valid Python" in history.stderr
    assert "Traceback" not in history.stderr
    assert three.alembic("heads", check=True).stdout == "004_bad (head)\n"
    short = three.alembic("history", "-r", ":002", check=True).stdout
    assert short.splitlines()[0] == "001_one -> 002_two, Create two"
    # What a listing does not show is told to those who are about to run it.
    three.write("004_bad", 'description = "Create four"\n\ndef upgrade(db:\n')
    listed = three.alembic("history", check=True).stdout
    assert listed.splitlines()[0] == "003_three -> 004_bad (head), Create four"
    assert three.alembic("upgrade", "head").returncode == 4


# Commands that look at a database.


def test_commands_that_look_create_nothing_in_an_empty_database(
    three: Project, engine: Engine
) -> None:
    assert three.alembic("current", check=True).stdout == ""
    assert "(current)" not in three.alembic("history", "-i", check=True).stdout
    assert three.alembic("show", "current", check=True).stdout == ""
    at_head = three.alembic("current", "--check-heads")
    assert at_head.returncode == 255
    assert at_head.stdout == "FAILED: Database is not on all head revisions\n"
    assert three.alembic("check").returncode == 2
    assert tables(engine) == set()


def test_commands_that_look_tell_the_truth_about_a_database_of_the_old_runner(
    three: Project, engine: Engine
) -> None:
    # 002 came late: the old runner ran it after 003.
    adopt(engine, "001_one", "003_three", "002_two")
    assert three.alembic("current", check=True).stdout == "002_two (head)\n"
    assert three.alembic("current", "--check-heads").returncode == 0
    assert three.alembic("history", "-i", check=True).stdout.splitlines() == [
        "003_three -> 002_two (head) (current), Create two",
        "001_one -> 003_three, Create three",
        "<base> -> 001_one, Create one",
    ]
    three.write("000_late", creates("late"))
    assert three.alembic("current", check=True).stdout == "002_two\n"
    assert three.alembic("current", "--check-heads").returncode == 255
    behind = three.alembic("history", "-r", "current:head", check=True).stdout
    assert behind.splitlines()[0] == "002_two -> 000_late (head), Create late"
    ahead = three.alembic("history", "-r", "base:current", check=True).stdout
    assert ahead.splitlines()[0] == "003_three -> 002_two, Create two"
    assert tables(engine) == {"schema_migrations"}
    # Without a database the order is that of the names.
    assert (
        three.alembic("history", check=True)
        .stdout.splitlines()[-1]
        .startswith("<base> -> 000_late")
    )


def test_a_migration_whose_file_is_gone_is_shown_as_missing(three: Project, engine: Engine) -> None:
    three.alembic("upgrade", "head", check=True)
    three.remove("003_three")
    assert three.alembic("current", check=True).stdout == "003_three (head)\n"
    verbose = three.alembic("current", "-v", check=True).stdout
    assert "Path: (file missing)" in verbose
    assert "    Create three (file missing)" in verbose
    assert three.alembic("history", "-i", check=True).stdout.splitlines()[0] == (
        "002_two -> 003_three (head) (current), Create three (file missing)"
    )
    three.write("004_four", creates("four"))
    three.alembic("upgrade", "head", check=True)
    refused = three.alembic("downgrade", "002_two")
    assert refused.returncode == 4
    assert refused.stderr.endswith(
        "FAILED: 003_three was applied to this database, but its file is gone, so it cannot be "
        "reverted. Nothing was run. Put the file back into the folder, or go back no further than "
        "to this migration: alembic downgrade 003_three\n"
    )
    three.alembic("downgrade", "003_three", check=True)
    assert books(engine) == Books(THREE, ["003_three"])


# Upgrade and downgrade.


def test_upgrade_and_downgrade_go_where_they_are_told_and_both_tables_follow(
    three: Project, engine: Engine
) -> None:
    for command, target, reached in (
        ("upgrade", "+1", 1),
        ("upgrade", "002", 2),
        ("upgrade", "003_three", 3),
        ("downgrade", "-1", 2),
        ("downgrade", "001_one", 1),
        ("upgrade", "001_one+1", 2),
        ("upgrade", "head", 3),
        ("downgrade", "base", 0),
    ):
        three.alembic(command, target, check=True)
        assert books(engine) == Books(THREE[:reached], THREE[:reached][-1:]), (command, target)
        made = tables(engine) - {"schema_migrations", "alembic_version"}
        assert len(made) == reached, (command, target)


def test_names_with_other_characters_and_long_names_are_targets_like_any_other(
    project: Project, engine: Engine
) -> None:
    stems = ["001_one", "002_add-index", "003_o'brien", "034_a", "034_b", LONG]
    for number, stem in enumerate(stems):
        project.write(stem, creates(f"t{number}"))
    # What Alembic made before bridge came has room for 32 characters.
    execute(engine, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    project.alembic("upgrade", "003_o'brien", check=True)
    assert books(engine) == Books(stems[:3], ["003_o_brien"])
    project.alembic("downgrade", "002_add-index", check=True)
    project.alembic("upgrade", "002_add-index+2", check=True)
    assert books(engine) == Books(stems[:4], ["034_a"])
    project.alembic("upgrade", "head", check=True)
    assert books(engine) == Books(stems, [LONG])
    project.alembic("downgrade", "003_o'brien-1", check=True)
    project.alembic("stamp", "003_o'brien", check=True)
    assert books(engine) == Books(stems[:3], ["003_o_brien"])


def test_a_downgrade_through_a_file_without_one_is_refused_before_anything_runs(
    three: Project, engine: Engine
) -> None:
    three.write("002_two", creates("two", downgrade=False))
    three.alembic("upgrade", "head", check=True)
    refused = three.alembic("downgrade", "base")
    assert refused.returncode == 2
    assert refused.stderr.endswith(
        f"FAILED: {three.migrations}/002_two.py has no downgrade(db), so it cannot be reverted. "
        "Nothing was run. Write one, or go back no further than to this migration: "
        "alembic downgrade 002_two\n"
    )
    assert books(engine).applied == THREE
    assert "three" in tables(engine)


def test_upgrade_refuses_a_bad_file_before_anything_runs_unless_it_is_applied_already(
    three: Project, engine: Engine
) -> None:
    bad = three.write("004_bad", "def upgrade(db:\n")
    refused = three.alembic("upgrade", "head")
    assert refused.returncode == 4
    assert f"FAILED: {bad}:1: " in refused.stderr
    assert "one" not in tables(engine)
    three.alembic("upgrade", "003", check=True)
    three.remove("004_bad")
    three.write("001_one", "def upgrade(db:\n")
    three.write("005_five", creates("five"))
    three.alembic("upgrade", "head", check=True)
    assert books(engine) == Books([*THREE, "005_five"], ["005_five"])


def test_exit_statuses_tell_what_went_wrong(three: Project, engine: Engine) -> None:
    no_url = three.alembic("upgrade", "head", env={"DATABASE_URL": None})
    assert (no_url.returncode, no_url.stdout) == (2, "")
    assert no_url.stderr.startswith("FAILED: No database is named.")
    broken = three.write("004_bad", "def upgrade(db):\n    raise ValueError('no such thing')\n")
    failed = three.alembic("upgrade", "head")
    assert failed.returncode == 1
    assert f"FAILED: 004_bad failed: {broken}, line 2" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert books(engine).applied == THREE
    with_traceback = three.alembic("--raiseerr", "upgrade", "head")
    assert with_traceback.returncode == 1
    assert "Traceback (most recent call last)" in with_traceback.stderr
    assert f"004_bad failed: {broken}, line 2" in with_traceback.stderr
    execute(engine, "DELETE FROM schema_migrations")
    assert three.alembic("upgrade", "head").returncode == 4
    gone = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    assert three.alembic("upgrade", "head", env=gone).returncode == 75
