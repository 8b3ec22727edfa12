"""Ledgers of numbers with a letter before them, beside files that have one too or have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.adopted import Adopted

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
