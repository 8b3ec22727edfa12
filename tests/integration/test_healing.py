"""Ledger, pointer and folder that disagree, through the real thing on a real database."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

import bridge
from bridge.errors import LedgerError, MigrationError, UsageError
from support.books import LOGGED, Books
from support.project import DEFAULT_INI, Project
from support.running import listened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A, B, C, D, E = "001_a", "002_b", "003_c", "004_d", "005_e"


@pytest.fixture
def books(project: Project) -> Books:
    """Three files and an empty database."""
    books = Books(project)
    books.files(A, B, C)
    return books


def way_on(message: str) -> list[str]:
    """The command that a message tells to type first."""
    match = re.search(r"type: alembic ([a-z0-9_ ]+)", message)
    assert match, message
    return match[1].split()


# The table of what ledger and pointer mean together


def test_a_new_database_gets_both_tables(books: Books) -> None:
    assert books.upgrade() == [A, B, C]
    assert (books.applied, books.pointers, books.ran) == ([A, B, C], [C], [A, B, C])
    assert books.reporter.warnings == []
    rows = books.table("schema_migrations")
    assert rows is not None
    for version, _, description, checksum, milliseconds, breaking in rows:
        assert description == f"About {version}"
        assert len(checksum) == 64
        assert milliseconds >= 0
        assert breaking is None


def test_a_database_of_the_old_runner_is_adopted_and_nothing_runs_twice(books: Books) -> None:
    assert books.old_runner() == [A, B, C]
    before = books.table("schema_migrations")
    books.files(D)
    assert books.upgrade() == [D]
    assert (books.applied, books.pointers, books.ran) == ([A, B, C, D], [D], [A, B, C, D])
    assert books.reporter.warnings == []
    after = books.table("schema_migrations", "version, applied_at, description")
    assert after is not None
    assert after[:3] == before


def test_an_old_database_with_nothing_pending_is_adopted_too(books: Books) -> None:
    books.old_runner()
    assert books.upgrade() == []
    assert books.pointers == [C]
    assert books.reporter.warnings == []


def test_the_old_runner_and_bridge_take_turns(books: Books) -> None:
    books.upgrade(to=A)
    assert books.old_runner() == [B, C]
    books.files(D)
    assert books.upgrade() == [D]
    (warning,) = books.reporter.warnings
    assert warning == (
        "alembic_version says 001_a, but the migration that schema_migrations records as applied "
        "last is 003_c. The rows are believed: alembic_version is set to 003_c."
    )
    books.files(E)
    assert books.old_runner() == [E]
    assert books.upgrade() == []
    assert (books.applied, books.pointers) == ([A, B, C, D, E], [E])
    assert books.ran == [A, B, C, D, E]


def test_a_lost_ledger_is_refused_also_where_the_pointer_is_the_first_revision(
    books: Books,
) -> None:
    """Unlike a row that was removed, a table that is gone is nobody's wish to run it again."""
    books.upgrade(to=A)
    books.sql("DROP TABLE schema_migrations")
    assert way_on(books.refused(books.upgrade)) == ["stamp", A]
    books.project.alembic("stamp", A, check=True)
    assert books.upgrade() == [B, C]
    assert books.ran == [A, B, C]


def test_a_lost_ledger_is_refused_and_stamp_is_the_way_on(books: Books) -> None:
    books.upgrade(to=B)
    books.sql("DROP TABLE schema_migrations")
    message = books.refused(books.upgrade)
    assert message.startswith(
        "alembic_version says that this database is at 002_b, but schema_migrations, which tells"
    )
    assert books.refused(books.downgrade, "-1") == message
    typed = way_on(message)
    assert typed == ["stamp", B]
    books.project.alembic(*typed, check=True)
    assert (books.applied, books.pointers) == ([A, B], [B])
    assert books.upgrade() == [C]
    assert books.ran == [A, B, C]


def test_lost_rows_are_refused_and_both_ways_on_work(books: Books) -> None:
    books.upgrade()
    books.sql("TRUNCATE schema_migrations")
    message = books.refused(books.upgrade)
    assert way_on(message) == ["stamp", C]
    books.project.alembic("stamp", C, check=True)
    assert (books.applied, books.pointers) == ([A, B, C], [C])
    assert books.upgrade() == []

    books.sql("TRUNCATE schema_migrations")
    assert books.refused(books.upgrade).endswith("To run them all again, type: alembic stamp base.")
    books.project.alembic("stamp", "base", check=True)
    assert (books.applied, books.pointers) == ([], [])
    assert books.upgrade() == [A, B, C]
    assert books.ran == [A, B, C, A, B, C]


@pytest.mark.parametrize("target", [A, B, C, "head"])
def test_lost_rows_may_be_stamped_to_another_revision(books: Books, target: str) -> None:
    books.upgrade(to=B)
    books.sql("TRUNCATE schema_migrations")
    books.stamp(target)
    expected = [A, B, C][: [A, B, C, "head"].index(target) + 1]
    assert (books.applied, books.pointers) == (expected, expected[-1:])


def test_a_lost_ledger_and_several_pointers_are_stamped_to_one(books: Books) -> None:
    books.upgrade(to=B)
    books.sql("DROP TABLE schema_migrations", f"INSERT INTO alembic_version VALUES ('{A}')")
    assert way_on(books.refused(books.upgrade)) == ["stamp", B]
    books.stamp(B)
    assert (books.applied, books.pointers) == ([A, B], [B])


def test_the_only_row_was_removed_so_it_runs_again(books: Books) -> None:
    books.upgrade(to=A)
    books.sql("DELETE FROM schema_migrations")
    assert books.upgrade() == [A, B, C]
    (warning,) = books.reporter.warnings
    assert warning == (
        "alembic_version says 001_a, but schema_migrations holds no row: its row was removed. "
        "It is run again."
    )
    assert (books.applied, books.pointers) == ([A, B, C], [C])


@pytest.mark.parametrize("stem", [A, B, C])
def test_a_migration_whose_row_was_removed_runs_again(books: Books, stem: str) -> None:
    """As the guide has always told people."""
    books.upgrade()
    books.sql(f"DELETE FROM schema_migrations WHERE version = '{stem}'")
    assert books.upgrade() == [stem]
    assert books.ran == [A, B, C, stem]
    assert books.pointers == [stem]
    assert books.applied == [*sorted({A, B, C} - {stem}), stem]


def test_a_pointer_that_a_person_moved_is_moved_back(books: Books) -> None:
    books.upgrade(to=B)
    for wrong in (A, C):
        books.sql(f"UPDATE alembic_version SET version_num = '{wrong}'")
        books.upgrade(to=B)
        assert books.pointers == [B]
        assert books.reporter.warnings[-1] == (
            f"alembic_version says {wrong}, but the migration that schema_migrations records as "
            "applied last is 002_b. The rows are believed: alembic_version is set to 002_b."
        )
    assert books.ran == [A, B]


def test_several_pointers_become_one(books: Books) -> None:
    books.upgrade(to=B)
    books.sql(f"INSERT INTO alembic_version VALUES ('{A}')")
    assert books.upgrade() == [C]
    assert books.pointers == [C]
    (warning,) = books.reporter.warnings
    assert warning == (
        "alembic_version says 001_a and 002_b, but the migration that schema_migrations records as "
        "applied last is 002_b. The rows are believed: alembic_version is set to 002_b."
    )


def test_drift_is_told_and_the_rows_win(books: Books) -> None:
    """A row was removed and its file renamed."""
    books.upgrade()
    books.sql(f"DELETE FROM schema_migrations WHERE version = '{C}'")
    books.project.remove(C)
    books.files("003_other")
    assert books.upgrade() == ["003_other"]
    (warning,) = books.reporter.warnings
    assert warning == (
        "alembic_version says 003_c, which is neither a file nor a row of schema_migrations. The "
        "rows are believed: alembic_version is set to 002_b."
    )
    assert books.pointers == ["003_other"]


def test_lost_rows_and_a_pointer_without_a_file_are_refused_and_both_ways_on_work(
    books: Books,
) -> None:
    books.upgrade()
    books.sql("TRUNCATE schema_migrations", "UPDATE alembic_version SET version_num = '003_old'")
    message = books.refused(books.upgrade)
    assert message.startswith(
        "schema_migrations is empty, and alembic_version holds 003_old, which is not a file of "
        "this folder: something was applied to this database, and nothing says what, so "
        "that every migration would run again."
    )
    for run in (books.stamp, books.downgrade):
        assert books.refused(run, "head" if run == books.stamp else "base") == message
    ran, again = re.findall(r"alembic (stamp --purge [A-Za-z]+)", message)

    books.project.alembic(*again.split(), check=True)
    assert (books.applied, books.pointers) == ([], [])
    assert books.upgrade() == [A, B, C]

    books.sql("TRUNCATE schema_migrations", "UPDATE alembic_version SET version_num = '003_old'")
    books.project.alembic(*ran.replace("REV", B).split(), check=True)
    assert (books.applied, books.pointers) == ([A, B], [B])
    assert books.upgrade() == [C]
    assert books.ran == [A, B, C, A, B, C, C]


@pytest.mark.parametrize("ledger", ["none", "empty", "rows"])
def test_another_environments_version_table_is_refused(books: Books, ledger: str) -> None:
    if ledger != "none":
        books.old_runner()
    if ledger == "empty":
        # The log of what ran holds the name of the first file, as another ledger would.
        books.sql("TRUNCATE schema_migrations", "DROP TABLE ran")
    books.sql("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    books.sql("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    message = books.refused(books.upgrade)
    assert "version_table = NAME" in message
    assert books.refused(books.stamp, "head") == message
    books.project.ini(extra="version_table = alembic_version_plain\n")
    assert books.upgrade() == ([] if ledger == "rows" else [A, B, C])
    assert books.pointers == ["ae1027a6acf"]
    assert books.table("alembic_version_plain") == [(C,)]


def test_another_applications_ledger_is_refused(books: Books, tmp_path: Path) -> None:
    other = Books(Project.create(tmp_path / "other", books.project.url))
    other.files("01_users", "02_orders")
    other.old_runner()
    message = books.refused(books.upgrade)
    assert message == (
        "schema_migrations records 2 migrations, the last of them 02_orders, and none of them is a "
        "file of this folder: it looks like another application's ledger. Nothing was changed in "
        "the database. "
        "Give this application a table of its own with ledger_table = NAME (and version_table = "
        "NAME) in alembic.ini, or correct version_locations if the folder is the wrong one. If it "
        "is this project's own ledger, whose files were all replaced, type: eai migrate repair "
        "--adopt."
    )
    assert books.refused(books.stamp, "head") == message


def test_a_wrong_search_path_is_refused(books: Books) -> None:
    books.upgrade()
    books.sql("CREATE SCHEMA app", "ALTER TABLE schema_migrations SET SCHEMA app")
    books.sql("ALTER TABLE alembic_version SET SCHEMA app")
    message = books.refused(books.upgrade)
    assert message.startswith(
        "This connection finds no schema_migrations in public, but the schema app of the same "
        "database holds one: if the search_path"
    )
    books.project.ini(extra="version_table_schema = app\n")
    assert books.upgrade() == []
    assert books.table("app.alembic_version") == [(C,)]


def test_an_empty_folder_is_refused(books: Books) -> None:
    books.upgrade()
    for stem in (A, B, C):
        books.project.remove(stem)
    message = books.refused(books.upgrade)
    assert message.startswith(
        "The folder holds no migration at all, but schema_migrations records 3 migrations, the "
        "last of them 003_c. Nothing was changed in the database."
    )
    books.project.migrations.rmdir()
    assert "does not exist" in books.refused(books.upgrade)


def test_an_empty_folder_of_a_new_project_is_nothing_to_do(project: Project) -> None:
    assert Books(project).upgrade() == []


# Two applications in one database


def test_two_applications_with_tables_of_their_own(books: Books, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "other", books.project.url)
    project.ini(
        DEFAULT_INI, extra="ledger_table = other_migrations\nversion_table = other_version\n"
    )
    other = Books(project, ledger_table="other_migrations", version_table="other_version")
    other.files("001_a", "005_x")
    books.upgrade()
    assert other.upgrade() == ["001_a", "005_x"]
    books.stamp(A)
    assert (other.applied, other.pointers) == (["001_a", "005_x"], ["005_x"])
    assert (books.applied, books.pointers) == ([A], [A])


def test_two_applications_on_one_ledger_of_bridges_do_not_unrecord_each_other(
    books: Books, tmp_path: Path
) -> None:
    """The rows of either are migrations whose files are missing, to the other."""
    other = Books(Project.create(tmp_path / "other", books.project.url))
    other.files("900_x", "901_y")
    books.upgrade()
    assert other.upgrade() == ["900_x", "901_y"]
    before = books.applied
    message = books.refused(books.stamp, B)
    assert message == (
        "This stamp would remove from schema_migrations the rows of 900_x, 901_y, whose files are "
        "not in this folder: they may belong to a newer release, or to another application, which "
        "would then run them a second time. Nothing was changed. If they must go all the same, add "
        "--purge."
    )
    assert books.upgrade() == []
    assert other.upgrade() == []
    assert books.applied == before


# Rows without a file


def test_rows_of_a_squashed_history_and_of_a_newer_release_are_passed_over(books: Books) -> None:
    books.upgrade()
    books.project.remove(A)
    books.project.remove(C)
    assert books.upgrade() == []
    books.files("002_c")
    assert books.upgrade() == ["002_c"]
    assert books.applied == [A, B, C, "002_c"]
    first, second = books.reporter.warnings
    assert first == second
    assert first == (
        "Applied to this database, and not in this folder: 003_c. Most likely a newer release has "
        "migrated it. The run goes on."
    )


def test_a_hole_in_the_middle_is_told(books: Books) -> None:
    books.upgrade()
    books.project.remove(B)
    books.files(D)
    assert books.upgrade() == [D]
    (warning,) = books.reporter.warnings
    assert warning == (
        "002_b: applied to this database, but the file is gone from the middle of the folder. The "
        "run goes on without it."
    )
    assert (books.applied, books.pointers) == ([A, B, C, D], [D])


def test_a_downgrade_through_a_missing_file_is_refused(books: Books) -> None:
    books.upgrade()
    books.project.remove(B)
    assert books.refused(books.downgrade, A).startswith("002_b was applied to this database, but")
    books.downgrade("-1")
    assert (books.applied, books.pointers) == ([A, B], [B])


def test_a_newer_release_leaves_the_pointer_of_an_older_one_alone(books: Books) -> None:
    books.upgrade()
    books.project.remove(C)
    before = books.everything()
    assert books.upgrade() == []
    assert books.everything() == before


# Late files


def test_late_files_run_with_a_warning_and_in_order(books: Books) -> None:
    books.upgrade()
    books.files("002_z", "001_z", D)
    assert books.upgrade() == ["001_z", "002_z", D]
    assert books.reporter.warnings == [
        "001_z.py, 002_z.py come late: 003_c was applied before. They are run now, after it."
    ]
    assert books.applied == [A, B, C, "001_z", "002_z", D]
    books.downgrade("-2")
    assert books.applied == [A, B, C, "001_z"]
    assert books.upgrade() == ["002_z", D]
    assert books.reporter.warnings[1:] == [
        "002_z.py comes late: 003_c was applied before. It is run now, after it."
    ]


def test_late_files_may_be_refused(books: Books) -> None:
    books.project.ini(extra="out_of_order = refuse\n")
    books.upgrade(to=B)
    books.files("001_z")
    assert books.refused(books.upgrade) == (
        "001_z.py comes late: 002_b was applied already, and out_of_order = refuse is set. Nothing "
        "was changed in the database. Give it a number after 002_b, or set out_of_order = run."
    )
    books.project.remove("001_z")
    assert books.upgrade() == [C]


def test_a_refused_late_file_leaves_an_old_database_as_it_was(books: Books) -> None:
    books.old_runner()
    books.files("001_z")
    books.project.ini(extra="out_of_order = refuse\n")
    assert "comes late" in books.refused(books.upgrade)


def test_a_late_file_is_stamped_where_it_stands_in_the_line(books: Books) -> None:
    books.upgrade()
    books.files("001_z", D)
    books.stamp("001_z")
    assert (books.applied, books.pointers) == ([A, B, C, "001_z"], ["001_z"])
    books.stamp(B)
    assert (books.applied, books.pointers) == ([A, B], [B])
    books.stamp("head")
    assert books.applied == [A, B, "001_z", C, D]
    assert books.upgrade() == []


# A renamed file


def test_a_renamed_file_is_refused_and_the_statement_to_type_works(books: Books) -> None:
    books.upgrade()
    books.project.remove(B)
    books.files("002_B")
    message = books.refused(books.upgrade)
    assert message.startswith("schema_migrations records '002_b' as applied, and the folder holds")
    books.sql(message[message.index("UPDATE") :])
    assert books.upgrade() == []
    assert books.applied == [A, "002_B", C]


def test_two_rows_of_one_revision_are_refused_and_the_statement_to_type_works(
    books: Books,
) -> None:
    books.upgrade()
    books.sql("INSERT INTO schema_migrations (version) VALUES ('002-b')")
    message = books.refused(books.upgrade)
    assert message.startswith("schema_migrations records both ")
    books.sql(message[message.index("DELETE") :])
    assert books.upgrade() == []
    assert books.applied == [A, B, C]


# Stamping


def test_stamp_records_what_it_stamps_and_forgets_the_rest(books: Books) -> None:
    books.stamp(B)
    assert (books.applied, books.pointers, books.ran) == ([A, B], [B], [])
    assert books.table("schema_migrations", "description, execution_ms", "version") == [
        ("About 001_a", None),
        ("About 002_b", None),
    ]
    books.stamp("head")
    assert (books.applied, books.pointers) == ([A, B, C], [C])
    books.stamp(A)
    assert (books.applied, books.pointers) == ([A], [A])
    books.stamp("base")
    assert (books.applied, books.pointers) == ([], [])
    assert books.upgrade() == [A, B, C]


def test_a_stamp_where_the_pointer_stands_already_changes_nothing(books: Books) -> None:
    books.upgrade()
    before = books.everything()
    books.stamp("head")
    assert books.everything() == before


def test_a_stamp_is_one_transaction(books: Books) -> None:
    books.stamp(A)
    books.stamp("head")
    assert books.sql(
        "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM alembic_version UNION ALL "
        f"SELECT xmin FROM schema_migrations WHERE version <> '{A}') AS written"
    ) == [(1,)]


def test_a_stamp_that_cannot_be_recorded_changes_nothing(books: Books) -> None:
    books.old_runner()
    books.sql(f"DELETE FROM schema_migrations WHERE version <> '{A}'")
    books.project.write(B, "def upgrade(db:\n")
    assert "002_b.py" in books.refused(books.stamp, "head")
    assert books.refused(books.stamp, "head")
    books.files(B)
    books.stamp("head")
    assert books.applied == [A, B, C]


def test_a_stamp_of_several_revisions_is_refused(books: Books) -> None:
    books.upgrade(to=A)
    with pytest.raises(UsageError) as caught:
        books.stamp([B, C])
    assert str(caught.value) == (
        "Plain files form one history, so a database is at one revision. Name one revision to "
        "stamp. Nothing was changed."
    )
    assert (books.applied, books.pointers) == ([A], [A])


def test_a_stamp_that_would_forget_a_missing_file_needs_purge(books: Books) -> None:
    books.upgrade()
    books.project.remove(C)
    assert books.refused(books.stamp, B) == (
        "This stamp would remove from schema_migrations the row of 003_c, whose file is not in "
        "this folder: it may belong to a newer release, or to another application, which would "
        "then run it a second time. Nothing was changed. If it must go all the same, add --purge."
    )
    books.stamp(B, purge=True)
    assert (books.applied, books.pointers) == ([A, B], [B])


@pytest.mark.parametrize("target", ["base", A, "head"])
def test_purge_forgets_all_that_is_not_stamped(books: Books, target: str) -> None:
    books.files("001_z")
    books.upgrade(to=A)
    books.old_runner()
    books.sql(
        "INSERT INTO schema_migrations VALUES ('000_gone'), ('009_z')",
        "UPDATE alembic_version SET version_num = 'ae1027a6acf'",
    )
    books.stamp(target, purge=True)
    expected = {"base": [], A: [A], "head": [A, "001_z", B, C]}[target]
    assert (books.applied, books.pointers) == (expected, expected[-1:])
    assert books.upgrade() == [stem for stem in (A, "001_z", B, C) if stem not in expected]


def test_purge_keeps_times_and_order_of_what_stays(books: Books) -> None:
    books.upgrade(to=A)
    books.project.write(B, LOGGED.format(stem=B))
    books.upgrade()
    books.files("001_z")
    books.upgrade()
    before = books.table("schema_migrations")
    books.stamp("head", purge=True)
    assert books.table("schema_migrations") == before
    assert (books.applied, books.pointers) == ([A, B, C, "001_z"], ["001_z"])


def test_purge_in_another_environments_version_table_takes_it_over(books: Books) -> None:
    books.sql("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    books.sql("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    books.stamp(A, purge=True)
    assert (books.applied, books.pointers) == ([A], [A])
    assert books.upgrade() == [B, C]


# An adopted table that cannot tell the order


def test_a_day_is_enough_to_go_on_with_late_files(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at DATE)")
    assert books.upgrade() == [A, B, C]
    books.files("001_z")
    assert books.upgrade() == ["001_z"]
    assert books.pointers == ["001_z"]
    assert books.upgrade() == []
    books.downgrade("-1")
    assert (books.ran[-1], books.pointers) == ("-001_z", [C])
    books.upgrade()
    books.stamp(B)
    assert (books.applied, books.pointers) == ([A, B], [B])
    assert [w for w in books.reporter.warnings if "late" not in w] == []


def test_a_table_without_times_goes_by_name_and_pointer(books: Books) -> None:
    books.sql("CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)")
    books.sql(f"INSERT INTO schema_migrations VALUES ('{B}'), ('{A}')")
    assert books.upgrade() == [C]
    books.files("001_z")
    assert books.upgrade() == ["001_z"]
    books.downgrade("-1")
    assert (books.ran, books.pointers) == ([C, "001_z", "-001_z"], [C])


def test_rows_from_the_future_do_not_disturb_the_order(books: Books) -> None:
    books.upgrade(to=A)
    books.sql("UPDATE schema_migrations SET applied_at = '2999-01-01'")
    assert books.upgrade() == [B, C]
    assert (books.applied, books.pointers) == ([A, B, C], [C])
    assert books.upgrade() == []
    assert books.reporter.warnings == []


# What an adopted table calls a migration


@pytest.mark.parametrize(
    ("definition", "keys", "new"),
    [
        ("name TEXT PRIMARY KEY", ("001_a.py", "002_b.py"), ["003_c.py", "004_d.py"]),
        ("version VARCHAR(3) PRIMARY KEY", ("001", "002"), ["003", "004"]),
        ("id SERIAL PRIMARY KEY, version INTEGER UNIQUE", ("1", "2"), ["3", "4"]),
    ],
)
def test_a_table_of_file_names_or_numbers_goes_on_in_its_way(
    books: Books, definition: str, keys: tuple[str, str], new: list[str]
) -> None:
    column = "name" if "name" in definition else "version"
    recorded = ", ".join(f"('{key}')" for key in keys)
    books.sql(
        f"CREATE TABLE schema_migrations ({definition}, applied_at TIMESTAMPTZ DEFAULT now())",
        f"INSERT INTO schema_migrations ({column}) VALUES {recorded}",
    )
    books.files(D)

    def kept() -> list[str]:
        found = books.table("schema_migrations", f"{column}::text", "applied_at, 1") or ()
        return [key for (key,) in found]

    assert books.upgrade() == [C, D]
    assert (kept(), books.pointers) == ([*keys, *new], [D])
    assert books.upgrade() == []
    books.downgrade("-1")
    assert (books.ran, kept()) == ([C, D, "-004_d"], [*keys, new[0]])
    books.stamp(A)
    assert (kept(), books.pointers) == ([keys[0]], [A])
    books.stamp("head", purge=True)
    assert kept() == [*keys, *new]
    assert books.reporter.warnings == []


# One transaction for the work, its row and the pointer


def test_row_and_pointer_are_written_by_one_transaction(books: Books) -> None:
    books.upgrade(to=A)
    books.sql(
        "CREATE TABLE written (by_transaction bigint, what text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO written VALUES (txid_current(), TG_TABLE_NAME); RETURN NEW; END$$",
        *(
            f"CREATE TRIGGER note BEFORE INSERT OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION note()"
            for table in ("ran", "alembic_version", "schema_migrations")
        ),
    )
    books.upgrade()
    written = "SELECT string_agg(what, ' ' ORDER BY what) FROM written GROUP BY by_transaction"
    assert books.sql(written) == [("alembic_version ran schema_migrations",)] * 2


@pytest.mark.parametrize("seed", range(2))
def test_the_books_are_right_after_every_step_of_a_random_walk(books: Books, seed: int) -> None:
    """Against a model: what was applied, in order, and then what is pending, by name."""
    walk = random.Random(seed)
    stems = [A, B, C]
    applied: list[str] = []
    ran: list[str] = []
    for step in range(32):
        line = [*applied, *sorted(set(stems) - set(applied))]
        target = walk.choice(line)
        place = line.index(target) + 1
        action = walk.choice(["upgrade", "upgrade", "downgrade", "stamp", "purge", "file", "old"])
        if action == "file":
            stems.append(f"{walk.randint(1, 9):03}_{step:02}")
            books.files(stems[-1])
        elif action == "upgrade":
            fresh = line[len(applied) : place]
            assert books.upgrade(to=target) == fresh
            applied, ran = [*applied, *fresh], [*ran, *fresh]
            if fresh:
                assert books.sql(
                    "SELECT count(*) FROM alembic_version v JOIN schema_migrations s "
                    f"ON v.xmin::text = s.xmin::text WHERE version = '{target}'"
                ) == [(1,)]
        elif action == "downgrade" and place < len(applied):
            ran += [f"-{stem}" for stem in reversed(applied[place:])]
            applied = applied[:place]
            books.downgrade(target)
        elif action in {"stamp", "purge"}:
            books.stamp(target, purge=action == "purge")
            applied = line[:place]
        elif action == "old":
            fresh = books.old_runner()
            assert fresh == line[len(applied) :]
            applied, ran = line, [*ran, *fresh]
            books.upgrade()  # or the pointer is where it was
        assert books.applied == applied, (step, action)
        assert books.pointers == applied[-1:], (step, action)
        assert books.ran == ran, (step, action)


def test_a_row_that_somebody_else_writes_meanwhile_makes_the_migration_fail(books: Books) -> None:
    """The second line of defence, if somebody migrates without the lock."""
    books.project.write(
        B,
        f"""
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        def upgrade(db):
            db.execute(text("CREATE TABLE work (n int)"))
            engine = create_engine(db.get_bind().engine.url, poolclass=NullPool)
            with engine.begin() as other:
                other.execute(text("INSERT INTO schema_migrations (version) VALUES ('{B}')"))
            db.commit()
        """,
    )
    with pytest.raises(MigrationError) as caught:
        books.upgrade()
    message = str(caught.value)
    assert (
        "schema_migrations already holds a row for 002_b: another process has applied it at the "
        "same time, without the migration lock." in message
    )
    assert "Everything it did was rolled back." in message
    assert books.table("work") is None
    assert (books.applied, books.pointers) == ([A, B], [A])
    assert books.reporter.not_done == ["upgrade 002_b"]
    # To the next run it is what it looks like: somebody has applied it.
    assert books.upgrade() == [C]


def test_everything_in_the_callers_transaction_goes_with_it(books: Books) -> None:
    with books.engine.connect() as connection:
        transaction = connection.begin()
        report = bridge.upgrade(connection, config=books.project.path / "alembic.ini")
        assert [applied.stem for applied in report.applied] == [A, B, C]
        locks = connection.scalar(
            text(
                "SELECT count(*) FROM pg_locks "
                "WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
            )
        )
        assert locks == 2
        transaction.rollback()
    assert books.table("schema_migrations") is None
    assert books.upgrade() == [A, B, C]


# Many


def test_many_files_are_stamped_with_one_statement_each_and_adopted_with_none(books: Books) -> None:
    def statements(act: Callable[[], object]) -> int:
        sent: list[str] = []
        with listened(Engine, "before_cursor_execute", lambda *heard: sent.append(heard[2])):
            act()
        return len(sent)

    def stamped_and_adopted() -> list[int]:
        counts = [
            statements(lambda: books.stamp("head")),
            statements(books.upgrade),
            statements(lambda: books.stamp("base")),
        ]
        assert books.pointers == []
        return counts

    first, *three = stamped_and_adopted()
    books.files(*(f"{number:03}_m" for number in range(200)))
    stamped, *many = stamped_and_adopted()
    assert stamped <= first + 200
    assert many == three
    assert books.ran == []


def test_a_ledger_error_is_one_of_bridges(books: Books) -> None:
    books.upgrade()
    books.sql("TRUNCATE schema_migrations")
    with pytest.raises(LedgerError) as caught:
        books.upgrade()
    assert caught.value.exit_code == 4
    done = books.project.alembic("upgrade", "head")
    assert done.returncode == 4
    assert str(caught.value) in done.stderr


# A version table that says nothing


@pytest.mark.parametrize("rows", [True, False])
def test_a_null_in_the_version_table_is_no_pointer_and_is_removed(
    books: Books, *, rows: bool
) -> None:
    if rows:
        books.old_runner()
    books.sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(255))",
        "INSERT INTO alembic_version VALUES (NULL)",
    )
    assert books.upgrade() == ([] if rows else [A, B, C])
    assert books.pointers == [C]
    assert books.upgrade() == []
    books.sql("INSERT INTO alembic_version VALUES (NULL)")
    books.files("004_d")
    assert books.upgrade() == ["004_d"]
    assert books.pointers == ["004_d"]
