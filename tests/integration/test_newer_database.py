"""An older release on a database that a newer one has migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config

import bridge
from bridge.database.request import Request
from bridge.errors import LedgerError
from bridge.operations.upgrade import plan
from support.books import LOGGED, Books

if TYPE_CHECKING:
    from support.project import Project

A, B, C, D, E = "001_a", "002_b", "003_c", "004_d", "005_e"


@pytest.fixture
def books(project: Project) -> Books:
    """A database that the newer release has migrated to E; D and E can be removed."""
    books = Books(project)
    books.files(A, B, C, D, E)
    return books


def newer(*stems: str) -> str:
    return (
        f"Applied to this database, and not in this folder: {', '.join(stems)}. Most likely a "
        "newer release has migrated it. The run goes on."
    )


def hole(stem: str) -> str:
    return (
        f"{stem}: applied to this database, but the file is gone from the middle of the folder. "
        "The run goes on without it."
    )


def refusal(stems: str, condition: str, *, them: str = "it") -> str:
    was = "was" if them == "it" else "were"
    return (
        f"{stems} {was} applied to this database, not in this folder, and declared with breaking = "
        f"True: releases without {them} cannot work on this database any more. Nothing was "
        f"changed in the database. Deploy the release that has {them}, or a newer one. To start "
        "this one all the same, type first: UPDATE schema_migrations SET breaking = false WHERE "
        f"{condition};"
    )


def breaking(books: Books, *stems: str) -> None:
    for stem in stems:
        books.project.write(stem, f"breaking = True\n{LOGGED.format(stem=stem)}")


def forget(books: Books, *stems: str) -> None:
    for stem in stems:
        books.project.remove(stem)


def warnings(books: Books) -> list[str]:
    told = list(books.reporter.warnings)
    books.reporter.warnings.clear()
    return told


def test_it_starts_with_one_warning_each_time(books: Books) -> None:
    books.upgrade()
    forget(books, D, E)
    before = books.everything()
    for _ in range(2):
        assert books.upgrade() == []
        assert warnings(books) == [newer(D, E)]
    assert books.everything() == before


def test_it_warns_once_where_something_is_pending(books: Books) -> None:
    books.upgrade()
    forget(books, E)
    books.files("003_later")
    assert books.upgrade() == ["003_later"]
    assert warnings(books) == [
        newer(E),
        "003_later.py comes late: 004_d was applied before. It is run now, after it.",
    ]
    assert books.pointers == ["003_later"]


def test_a_hole_has_its_own_sentence_and_a_squashed_history_none(books: Books) -> None:
    books.upgrade()
    forget(books, A, C, E)
    assert books.upgrade() == []
    assert warnings(books) == [hole(C), newer(E)]


def test_a_release_without_a_breaking_migration_refuses_to_start(books: Books) -> None:
    breaking(books, D)
    books.upgrade()
    forget(books, D, E)
    books.files("003_later")
    assert books.refused(books.upgrade) == refusal(D, "version = '004_d'")
    assert "003_later" not in books.ran
    # Also where nothing is pending for it.
    forget(books, "003_later")
    assert books.refused(books.upgrade) == refusal(D, "version = '004_d'")
    assert books.refused(books._alembic, command.upgrade, "head")
    # The newer release starts, and so does the older one after what the message tells to type.
    books.files(D, E)
    assert books.upgrade() == []
    forget(books, D, E)
    message = books.refused(books.upgrade)
    books.sql(message[message.index("UPDATE") :])
    warnings(books)
    assert books.upgrade() == []
    assert warnings(books) == [newer(D, E)]


def test_several_breaking_migrations_are_all_named(books: Books) -> None:
    breaking(books, B, D, E)
    books.upgrade()
    forget(books, B, D, E)
    assert books.refused(books.upgrade) == refusal(
        "002_b, 004_d and 005_e",
        "version = '002_b' OR version = '004_d' OR version = '005_e'",
        them="them",
    )


def test_a_breaking_migration_that_was_squashed_is_no_matter(books: Books) -> None:
    breaking(books, A, B)
    books.upgrade()
    forget(books, A, B)
    assert books.upgrade() == []
    assert warnings(books) == []


def test_a_breaking_migration_that_was_reverted_is_no_matter(books: Books) -> None:
    breaking(books, E)
    books.upgrade()
    books.downgrade(D)
    forget(books, E)
    assert books.upgrade() == []
    assert warnings(books) == []


def test_looking_and_stamping_go_on_beside_a_breaking_migration(books: Books) -> None:
    breaking(books, E)
    books.upgrade()
    forget(books, E)
    books.files("004_pending")
    request = Request(database=books.engine, config=books.project.path / "alembic.ini")
    with pytest.raises(LedgerError) as caught:
        plan(request)  # it tells what a run would do
    assert str(caught.value) == refusal(E, "version = '005_e'")
    config = Config(books.project.path / "alembic.ini")
    config.attributes["connection"] = books.engine
    command.current(config)
    books.stamp(D, purge=True)
    assert books.applied == [A, B, C, D]


def test_breaking_is_refused_in_a_transaction_of_the_callers_too(books: Books) -> None:
    breaking(books, E)
    books.upgrade()
    forget(books, E)
    with books.engine.begin() as connection, pytest.raises(LedgerError) as caught:
        bridge.upgrade(connection, config=books.project.path / "alembic.ini")
    assert str(caught.value) == refusal(E, "version = '005_e'")


def test_an_adopted_table_that_keeps_numbers_gets_the_statement_for_its_own_rows(
    books: Books,
) -> None:
    books.sql("CREATE TABLE schema_migrations (number integer PRIMARY KEY, applied_at timestamptz)")
    books.project.ini(extra="ledger_key = number\nledger_key_form = number\n")
    breaking(books, E)
    books.upgrade()
    forget(books, E)
    with pytest.raises(LedgerError) as caught:
        books.upgrade()
    message = str(caught.value)
    books.sql(message[message.index("UPDATE") :])
    assert books.upgrade() == []
