"""`eai migrate repair`: what it shows, what it asks and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.books import Books
from support.terminal import run_on_terminal

if TYPE_CHECKING:
    from support.project import Project

A, B = "001_a", "002_b"

FOUND = "  002_b  renamed: it is 003_b now\n"


@pytest.fixture
def books(project: Project) -> Books:
    """Two files that are applied, of which one was then renamed."""
    books = Books(project)
    books.files(A, B)
    books.upgrade()
    (project.migrations / "002_b.py").rename(project.migrations / "003_b.py")
    return books


def test_nothing_to_repair_is_said(books: Books) -> None:
    (books.project.migrations / "003_b.py").rename(books.project.migrations / "002_b.py")
    done = books.project.eai("migrate", "repair")
    assert (done.returncode, done.stdout) == (
        0,
        "Nothing to repair: what is recorded fits the files.\n",
    )


def test_a_dry_run_only_shows(books: Books) -> None:
    for options in (["--dry-run"], ["--dry-run", "--yes"]):
        done = books.project.eai("migrate", "repair", *options)
        assert (done.returncode, done.stdout) == (0, f"Would repair 1 row:\n{FOUND}")
        assert books.applied == [A, B]


def test_yes_repairs_and_says_what_was_done(books: Books) -> None:
    done = books.project.eai("migrate", "repair", "--yes")
    assert (done.returncode, done.stdout) == (0, f"Repaired 1 row:\n{FOUND}")
    assert (books.applied, books.pointers) == ([A, "003_b"], ["003_b"])
    done = books.project.eai("migrate")
    assert done.stdout == "Nothing to do: the database is up to date.\n"


def test_without_a_terminal_and_without_yes_nothing_is_repaired(books: Books) -> None:
    done = books.project.eai("migrate", "repair")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        f"Would repair 1 row:\n{FOUND}Error: This would repair 1 row of the ledger, but there is "
        "no terminal to ask on. Nothing was repaired. To do it without the question, add --yes.\n"
    )
    assert books.applied == [A, B]


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("y\n", 0)])
def test_it_asks_at_a_terminal(books: Books, typed: str, code: int) -> None:
    ended, shown = run_on_terminal(books.project, "migrate", "repair", typed=typed, after=0.1)
    assert ended == code
    assert "Record this? [y/N]" in shown
    assert ("Repaired 1 row:" if code == 0 else "Nothing was repaired.") in shown
    assert books.applied == [A, "003_b" if code == 0 else B]


def test_migrate_names_it_where_a_file_was_renamed(books: Books) -> None:
    done = books.project.eai("migrate")
    assert done.returncode == 4
    assert "record the new name: eai migrate repair." in done.stderr
