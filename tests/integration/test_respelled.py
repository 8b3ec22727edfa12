"""Rows that name a file in another way than the ledger does: no file of theirs runs again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.errors import LedgerError
from support.adopted import Adopted
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, B, C, D, E = "001_a", "002_b", "003_c d", "010_Straße", "100_e"
ALL = (A, B, C, D, E)


@dataclass(frozen=True)
class Form:
    """How a ledger names migrations: its column, and the names of ALL."""

    column: str
    type: str
    names: tuple[str, ...]


FORMS = {
    "stem": Form("version", "VARCHAR(255) PRIMARY KEY", ALL),
    "file": Form("filename", "TEXT PRIMARY KEY", tuple(f"{stem}.py" for stem in ALL)),
    "path": Form("name", "TEXT PRIMARY KEY", tuple(f"app/migrations/{stem}.py" for stem in ALL)),
    "back": Form("name", "TEXT PRIMARY KEY", tuple(f"C:\\migrations\\{stem}" for stem in ALL)),
    "text": Form("version", "TEXT PRIMARY KEY", ("001", "002", "003", "010", "100")),
    "padded": Form("version", "CHAR(40) PRIMARY KEY", ALL),
    "name": Form('"The: %s Key"', "NAME PRIMARY KEY", ALL),
    "no key": Form('"Version"', "VARCHAR(100)", ALL),
}
SPELLINGS = {
    "another suffix": "001_a.sql",
    "a folder": "db/001_a.py",
    "a module": "app.migrations.001_a",
    "quotes": "'001_a'",
    "upper case": "001_A",
    "the number": "v1",
    "a v": "V1__a.sql",
    "a hyphen": "001-a",
    "blanks at its ends": " 001_a\\n",
    "invisible": "\\ufeff001_a\\u200b.py",
    "full width": "\\uff10\\uff10\\uff11_\\uff41",
    "a backslash": "x\\\\001_a.py",
}


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(*ALL)
    return books


def adopt(books: Adopted, form: Form, *names: str) -> None:
    rows = ", ".join("(E'{}')".format(name.replace("'", "''")) for name in names)
    books.raw(
        f"CREATE TABLE schema_migrations ({form.column} {form.type})",
        f"INSERT INTO schema_migrations VALUES {rows}",
    )


def told(books: Adopted, form: Form) -> None:
    """A column of no usual name is recognised only where each row is a file."""
    if form.column.startswith('"'):
        books.project.ini(extra=f"ledger_key = {form.column[1:-1].replace('%', '%%')}\n")


#: Each spelling in some of the forms, and, among the first, each spelling and each form.
SAMPLE = [
    (list(FORMS)[(place + turn) % len(FORMS)], spelling)
    for turn in (0, 3, 6)
    for place, spelling in enumerate(SPELLINGS)
]


@pytest.mark.parametrize(("name", "spelling"), few(SAMPLE, count=len(SPELLINGS)))
def test_a_respelled_row_is_refused_everywhere_and_mended_by_the_line_to_type(
    books: Adopted, name: str, spelling: str
) -> None:
    form = FORMS[name]
    told(books, form)
    names = [each.replace("\\", "\\\\") for each in form.names]
    adopt(books, form, SPELLINGS[spelling], *names[1:4])
    finding = books.refusal()
    assert (finding.id, books.ran) == ("names-differ", [])
    books.type(finding, "correct the row: ")
    held = f"{form.column}::text"
    assert books.holds(held) == sorted(form.names[:4])
    assert books.upgrade() == [E]
    assert books.holds(held) == sorted(form.names)
    assert books.upgrade() == []
    assert books.ran == [E]


@pytest.mark.parametrize(("name", "spelling"), few(SAMPLE[1::2], count=4))
def test_repair_writes_a_respelled_row_as_the_others_are(
    books: Adopted, name: str, spelling: str
) -> None:
    form = FORMS[name]
    told(books, form)
    names = [each.replace("\\", "\\\\") for each in form.names]
    adopt(books, form, SPELLINGS[spelling], *names[1:4])
    assert len(books.repair()) == 4  # and the checksums of the others
    assert books.holds(f"{form.column}::text") == sorted(form.names[:4])
    assert books.repair() == []
    assert books.upgrade() == [E]
    assert books.ran == [E]


def test_the_commands_say_the_same(books: Adopted) -> None:
    adopt(books, FORMS["stem"], "migrations/001_a.py", B)
    what = (
        "schema_migrations records 'migrations/001_a.py' as applied, and the folder holds "
        "001_a.py: the names differ only in what stands before or after it, so the file was most "
        "likely renamed. If the file ran, it could do its work a second time."
    )
    remedy = (
        "If it is the same migration, type: eai migrate repair; or correct the row: UPDATE "
        "schema_migrations SET version = '001_a' WHERE version = 'migrations/001_a.py';"
    )
    refused = f"{what} Nothing was changed in the database. {remedy}"
    for command, sentence in (([], refused), (["status", "--check"], f"{what} {remedy}")):
        done = books.project.eai("migrate", *command)
        assert done.returncode == 4, command
        assert sentence in done.stdout + done.stderr, command
    assert refused in books.project.alembic("upgrade", "head").stderr
    done = books.project.eai("migrate", "check", "--database")
    assert done.returncode == 4
    assert "[ledger]" in done.stdout
    assert books.ran == []
    done = books.project.eai("migrate", "repair", "--yes")
    assert "  migrations/001_a.py  taken for 001_a, whose present text is recorded\n" in done.stdout
    assert books.project.eai("migrate").returncode == 0
    assert books.ran == [C, D, E]


@pytest.mark.parametrize("kind", ["SMALLINT", "INTEGER", "BIGINT"])
def test_a_column_of_numbers_is_a_form_of_its_own(books: Adopted, kind: str) -> None:
    books.raw(
        f"CREATE TABLE schema_migrations (version {kind} PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES (1), (2), (3), (10)",
    )
    assert books.upgrade() == [E]
    assert books.holds("version") == [1, 2, 3, 10, 100]
    books.files("100_f")
    with pytest.raises(LedgerError, match="100_e and 100_f have the same number"):
        books.upgrade()
    assert books.ran == [E]


def test_the_majority_of_the_rows_says_which_of_them_are_to_be_corrected(books: Adopted) -> None:
    adopt(books, FORMS["stem"], A, "002", "003", "010")
    assert "UPDATE schema_migrations SET version = '001' WHERE" in books.refusal().next
    books.raw("UPDATE schema_migrations SET version = '003_c d' WHERE version = '003'")
    assert [each.migration for each in books.refusals()] == ["002", "010"]
    assert len(books.repair()) == 4
    assert books.upgrade() == [E]
