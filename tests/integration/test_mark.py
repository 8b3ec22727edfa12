"""`mark`: one migration is recorded as applied, or forgotten, whatever the database holds."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.errors import LedgerError, LockNotObtained, TryAgain, UsageError
from bridge.operations.mark import run_mark
from support.adopted import Adopted
from support.running import starting
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.project import Project

A, B, C = "001_a", "002_b", "003_c"


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B, C)
    return books


# Every state


@pytest.mark.parametrize("stem", [A, B, C])
def test_in_a_new_database_the_tables_are_made(books: Adopted, stem: str) -> None:
    marking = books.mark(stem, applied=True)
    assert (marking.stem, marking.pointer) == (stem, stem)
    assert books.applied == [stem]
    assert sorted([*books.upgrade(), stem]) == [A, B, C]
    assert sorted([*books.ran, stem]) == [A, B, C]
    assert books.reporter.warnings == [] or stem != A
    assert books.mark(stem, applied=True).what == ""


def test_in_a_new_database_nothing_is_there_to_forget(books: Adopted) -> None:
    assert books.mark(A, applied=False).what == ""
    assert books.table("schema_migrations") is None


FORMS: dict[str, tuple[str, Callable[[str], str]]] = {
    "stem": ("version TEXT PRIMARY KEY", str),
    "file": ("filename TEXT PRIMARY KEY", "{}.py".format),
    "path": ("name TEXT PRIMARY KEY", "db/{}.py".format),
    "number": ("n INT PRIMARY KEY", lambda stem: str(int(stem[:3]))),
    "padded": ("version CHAR(9)", lambda stem: stem[:3]),
}


@pytest.mark.parametrize("times", [", applied_at TIMESTAMPTZ DEFAULT now()", ""])
@pytest.mark.parametrize("form", list(FORMS))
def test_an_adopted_ledger_is_written_in_its_form_and_the_pointer_follows(
    books: Adopted, form: str, times: str
) -> None:
    definition, key = FORMS[form]
    keyed = "number" if form == "padded" else form
    column = f"{definition.split(' ', 1)[0]}::text"
    books.raw(
        f"CREATE TABLE schema_migrations ({definition}{times})",
        f"INSERT INTO schema_migrations VALUES ('{key(A)}')",
    )
    # No version table: the next run makes it.
    assert books.mark(C, applied=True).pointer == C
    assert books.table("alembic_version") is None
    assert books.holds(column) == [key(A), key(C)]
    assert books.upgrade() == [B]
    assert (books.pointers, books.ran) == ([B], [B])
    # With one, it follows.
    assert books.mark(B, applied=False).what.startswith("recorded as not applied")
    assert books.pointers == [C]
    assert books.mark(B, applied=True).pointer == B
    assert books.pointers == [B]
    assert books.upgrade() == []
    for stem in (A, B, C):
        books.mark(stem, applied=False)
    assert (books.holds(column), books.pointers) == ([], [])
    told = f"ledger_key = {column.removesuffix('::text')}\nledger_key_form = {keyed}\n"
    books.project.ini(extra=told)
    assert books.upgrade() == [A, B, C]
    assert [each for each in books.reporter.warnings if "comes late" not in each] == []


def test_an_empty_version_table_is_filled(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at TIMESTAMPTZ)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        f"INSERT INTO schema_migrations VALUES ('{A}', now())",
    )
    books.mark(B, applied=True)
    assert books.pointers == [B]
    assert books.upgrade() == [C]


@pytest.mark.parametrize("stem", [A, B, C])
def test_one_of_many_is_forgotten_and_runs_again(books: Adopted, stem: str) -> None:
    books.upgrade()
    marking = books.mark(stem, applied=False)
    left = [each for each in (A, B, C) if each != stem]
    assert (marking.pointer, books.pointers, books.applied) == (left[-1], [left[-1]], left)
    assert marking.what == "recorded as not applied, so that the next run applies it"
    assert books.mark(stem, applied=False).what == ""
    assert books.upgrade() == [stem]
    assert books.ran == [A, B, C, stem]
    assert (books.applied, books.pointers) == ([*left, stem], [stem])


def test_the_only_one_is_forgotten_and_the_pointer_with_it(books: Adopted) -> None:
    books.upgrade(A)
    assert books.mark(A, applied=False).pointer is None
    assert (books.applied, books.pointers) == ([], [])
    assert books.upgrade() == [A, B, C]
    assert books.ran == [A, A, B, C]
    assert books.reporter.warnings == []


@pytest.mark.parametrize("stem", [A, B, C])
def test_a_row_whose_file_is_gone_is_forgotten(books: Adopted, stem: str) -> None:
    books.upgrade()
    books.project.remove(stem)
    assert books.mark(stem, applied=True).what == ""
    marking = books.mark(stem, applied=False)
    assert marking.what == "forgotten (its file is gone)"
    assert stem not in books.applied
    assert books.pointers == [books.applied[-1]]
    assert books.upgrade() == []


def test_a_late_file_is_recorded_last(books: Adopted) -> None:
    books.mark(C, applied=True)
    books.mark(A, applied=True)
    assert books.applied == [C, A]
    assert books.upgrade() == [B]
    assert books.pointers == [B]


def test_the_beginning_of_a_name_will_do_where_it_is_that_of_one(books: Adopted) -> None:
    books.files("003_d")
    assert books.mark("002", applied=True).stem == B
    for name in ("003", "00", "004", "base", ""):
        with pytest.raises(UsageError, match="Nothing was changed"):
            books.mark(name, applied=True)
    assert books.applied == [B]


def test_what_is_recorded_is_what_a_run_would_record(books: Adopted) -> None:
    books.project.write(B, f"breaking = True\n{(books.project.migrations / f'{B}.py').read_text()}")
    books.mark(B, applied=True)
    wanted = "description, length(checksum), execution_ms, breaking"
    assert books.raw(f"SELECT {wanted} FROM schema_migrations") == [(f"About {B}", 64, None, True)]


def test_a_file_that_is_no_python_is_not_recorded(books: Adopted) -> None:
    books.project.write(B, "def upgrade(db:")
    books.upgrade(A)
    before = books.everything()
    with pytest.raises(Exception, match=B) as caught:
        books.mark(B, applied=True)
    assert getattr(caught.value, "exit_code", None) == 4
    assert books.everything() == before


# A row of which nothing but the name is known


def adopted(books: Adopted, *names: str) -> None:
    rows = ", ".join(f"('{name}')" for name in names)
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        f"INSERT INTO schema_migrations VALUES {rows}",
    )


def test_a_new_file_beside_it_is_said_to_be_new_and_only_that_one_runs(books: Adopted) -> None:
    adopted(books, A, "002_old", "003_old")
    assert [each.id for each in books.refusals()] == ["maybe-renamed"] * 2
    marking = books.mark(B, applied=False)
    assert marking.what == "pending: 002_old is another migration"
    assert [each.migration for each in books.refusals()] == ["003_old"]
    assert books.mark(B, applied=False).what == ""
    books.repair("003_old")
    assert books.upgrade() == [B]
    assert books.holds("version") == [A, B, "002_old", C]
    assert books.upgrade() == []


def test_the_row_itself_may_be_forgotten(books: Adopted) -> None:
    adopted(books, A, "002_old")
    assert books.mark("002_old", applied=False).what == "forgotten (its file is gone)"
    assert books.upgrade() == [B, C]


def test_the_new_file_may_be_recorded_beside_it(books: Adopted) -> None:
    adopted(books, A, "002_old")
    books.mark(B, applied=True)
    assert books.upgrade() == [C]
    assert books.holds("version") == [A, B, "002_old", C]


def test_of_two_files_that_may_be_it_both_are_named_before_they_are_said_to_be_new(
    books: Adopted,
) -> None:
    books.files("002_z")
    adopted(books, A, "002_old", C)
    told = books.mark(B, applied=False).what
    assert told == "pending: 002_old is another migration than 002_b, 002_z"
    assert books.upgrade() == [B, "002_z"]


def test_of_two_files_that_may_be_it_a_person_may_name_the_one_that_it_is(books: Adopted) -> None:
    books.files("002_z")
    adopted(books, A, "002_old", C)
    books.repair("002_z")
    assert books.upgrade() == [B]


def test_a_role_that_may_not_add_the_column_is_told_what_to_type(books: Adopted) -> None:
    role = f"bridge_test_{secrets.token_hex(4)}"
    adopted(books, A, "002_old", C)
    books.raw(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role}",
        f"GRANT ALL ON schema_migrations TO {role}",
    )
    try:
        url = books.engine.url.set(username=role, password="secret")
        as_role = Adopted(books.project, books.reporter)
        as_role.engine = create_engine(url, poolclass=NullPool)
        before = books.everything()
        with pytest.raises(LedgerError) as caught:
            as_role.mark(B, applied=False)
        assert books.everything() == before
        books.raw(str(caught.value).partition("table's owner: ")[2])
        as_role.mark(B, applied=False)
        assert as_role.upgrade() == [B]
    finally:
        books.raw(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


# What stands in the way


@pytest.mark.parametrize("applied", [True, False])
def test_a_ledger_that_cannot_be_believed_is_refused_as_ever(books: Adopted, applied: bool) -> None:
    adopted(books, A, "002-b")
    before = books.everything()
    with pytest.raises(LedgerError, match="the names differ only in spelling"):
        books.mark(C, applied=applied)
    assert books.everything() == before


def test_it_waits_for_whoever_migrates(books: Adopted) -> None:
    books.files("004_d")
    books.upgrade(C)
    books.project.write("004_d", "def upgrade(db):\n    import time\n    time.sleep(60)\n")
    books.project.ini(extra="wait_for_lock = 0.2\n")
    with starting(books.project) as start:
        running = start("eai", "migrate")
        running.told("004_d")
        with pytest.raises(LockNotObtained, match="was not obtained within"):
            books.mark(C, applied=False)
        running.kill()
    assert books.applied == [A, B, C]


def test_a_dry_run_an_answer_of_no_and_none_change_nothing(books: Adopted) -> None:
    books.upgrade()
    before = books.everything()
    told = (
        "003_c is recorded as not applied, so that the next run applies it. The version table "
        "then says 002_b.\n"
    )
    mark = ("migrate", "mark", C, "--pending")
    for options in (["--dry-run"], ["--dry-run", "--yes"]):
        done = books.project.eai(*mark, *options)
        assert (done.returncode, done.stdout) == (0, f"Would be changed: {told}")
    done = books.project.eai(*mark)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no terminal to ask on. Nothing was changed." in done.stderr
    code, shown = run_on_terminal(books.project, *mark, typed="n\n", after=0.1)
    assert code == 1
    assert "Record this? [y/N]" in shown
    assert "Nothing was changed." in shown
    assert books.everything() == before
    for wrong in ([], ["--applied", "--pending"]):
        done = books.project.eai("migrate", "mark", C, *wrong)
        assert done.returncode == 2
    done = books.project.eai(*mark, "--yes")
    assert (done.returncode, done.stdout) == (0, f"Changed: {told}")
    for name in (C, "003"):
        done = books.project.eai("migrate", "mark", name, "--pending", "--yes")
        assert done.stdout == "Nothing to change: 003_c is not recorded as applied already.\n"
    assert (books.applied, books.pointers) == ([A, B], [B])


def test_what_changes_while_the_question_is_open_is_not_overlooked(books: Adopted) -> None:
    books.upgrade()

    def agree(_marking: object) -> bool:
        books.raw(f"DELETE FROM schema_migrations WHERE version = '{B}'")
        return True

    with pytest.raises(TryAgain, match="Nothing was changed"):
        run_mark(books.request, C, applied=False, agree=agree)
    assert (books.applied, books.pointers) == ([A, C], [C])
    # What changes nothing of it is no matter.
    assert books.mark(C, applied=False).pointer == A
