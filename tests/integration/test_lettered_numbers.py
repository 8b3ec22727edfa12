"""Ledgers of numbers with a letter before them, beside files that have one too or have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.adopted import Adopted
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, B, C = "001_a", "002_b", "010_c"
FORMS = {
    "1": ("1", "2", "10"),
    "001": ("001", "002", "010"),
    "V1": ("V1", "V2", "V10"),
    "v001": ("v001", "v002", "v010"),
    "V0001": ("V0001", "V0002", "V0010"),
}


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B, C)
    return books


def adopt(books: Adopted, *names: str) -> None:
    rows = ", ".join(f"('{name}')" for name in names)
    books.raw(
        "CREATE TABLE ran (id serial, what text)",
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        f"INSERT INTO schema_migrations VALUES {rows}",
    )


@pytest.mark.parametrize("form", list(FORMS))
def test_a_number_is_read_and_written_with_its_letter(books: Adopted, form: str) -> None:
    names = FORMS[form]
    adopt(books, *names[:2])
    assert books.status().pending == (C,)
    assert books.upgrade() == [C]
    assert books.holds("version") == sorted(names)
    books.downgrade("-1")
    books.stamp("head")
    books.mark(B, applied=False)
    assert books.holds("version") == sorted({names[0], names[2]})
    assert books.upgrade() == [B]
    assert books.holds("version") == sorted(names)
    assert books.ran == [C, f"-{C}", B]


#: Files that have a letter too, and how their numbers are written.
LETTERED = {
    "V1__init V2__b V10__c": {
        "1": ("1", "2", "10"),
        "001": ("001", "002", "010"),
        "V1": ("V1", "V2", "V10"),
        "v01": ("v01", "v02", "v10"),
        "stem": ("V1__init", "V2__b", "V10__c"),
        "file": ("V1__init.py", "V2__b.py", "V10__c.py"),
    },
    "v001_init v002_b v010_c": {
        "1": ("1", "2", "10"),
        "001": ("001", "002", "010"),
        "V1": ("V1", "V2", "V10"),
        "v001": ("v001", "v002", "v010"),
        "stem": ("v001_init", "v002_b", "v010_c"),
    },
}
CASES = [(files, form) for files, forms in LETTERED.items() for form in forms]


@pytest.mark.parametrize(("files", "form"), few(CASES, count=6))
def test_a_number_is_that_of_a_file_with_a_letter(project: Project, files: str, form: str) -> None:
    books = Adopted(project)
    books.project.ini(extra="order = number\n")
    first, second, third = files.split()
    books.files(first, second, third)
    names = LETTERED[files][form]
    adopt(books, *names[:2])
    assert books.status().pending == (third,)
    assert books.status().current == second
    assert books.upgrade() == [third]
    assert books.holds("version") == sorted(names)
    books.downgrade("-1")
    assert books.holds("version") == sorted(names[:2])
    books.mark(third, applied=True)
    assert books.holds("version") == sorted(names)
    file = books.project.migrations / f"{third}.py"
    file.rename(file.with_name(f"{third.replace('10', '11')}.py"))
    assert books.refusal().id == "renamed"
    books.repair()
    assert books.holds("version") == sorted([*names[:2], names[2].replace("10", "11")])
    assert books.upgrade() == []
    assert books.ran == [third, f"-{third}"]


@pytest.mark.parametrize("names", [("1.0", "2.0"), ("V1.0", "V2.0")])
def test_a_version_with_a_point_is_no_number_of_a_file_with_a_letter(
    project: Project, names: tuple[str, str]
) -> None:
    books = Adopted(project)
    books.project.ini(extra="order = number\n")
    books.files("V1__init", "V2__b")
    adopt(books, *names)
    assert [each.id for each in books.refusals()] == ["foreign-ledger"]


@pytest.mark.parametrize(
    ("names", "correct"),
    [
        (("V1", "V2", "10"), "'V10' WHERE version = '10'"),
        (("V1", "V2", "v10"), "'V10' WHERE version = 'v10'"),
        (("1", "2", "V10"), "'10' WHERE version = 'V10'"),
    ],
)
def test_a_row_with_another_letter_is_refused_and_corrected(
    books: Adopted, names: tuple[str, ...], correct: str
) -> None:
    adopt(books, *names)
    finding = books.refusal()
    assert finding.id == "names-differ"
    assert finding.next.endswith(f"UPDATE schema_migrations SET version = {correct};")
    books.type(finding, "correct the row: ")
    assert books.upgrade() == []
    assert books.ran == []


@pytest.mark.parametrize("names", [("1.0", "2.0"), ("V1.0", "V2.0"), ("v1.1", "v1.2")])
def test_a_version_with_a_point_is_no_number(books: Adopted, names: tuple[str, str]) -> None:
    adopt(books, *names)
    assert [each.id for each in books.refusals()] == ["foreign-ledger"]


def test_one_such_row_among_others_may_be_the_file_of_its_number(books: Adopted) -> None:
    adopt(books, "V1", "V2.0")
    assert [each.id for each in books.refusals()] == ["maybe-renamed"]
    assert books.ran == []
