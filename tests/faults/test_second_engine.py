"""A file that opens an Engine of its own while uncommitted work of `db` holds what that needs.

The messages of this are tests/integration/test_failure_messages.py's; here it is what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.errors import MigrationError
from support.books import Books
from support.both import migration
from support.faults import SECOND_ENGINE
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, B, C = "001_a", "002_b", "003_c"


@dataclass(frozen=True)
class Case:
    """A file that would wait for itself, and what it has committed by then."""

    body: str
    waited: str
    left: tuple[str, ...] = ()


LOG = "INSERT INTO ran (what) VALUES"
CASES = {
    "a table": Case(
        f"""
        def upgrade(db):
            run(db, "{LOG} ('one')")
            with other_engine(db).begin() as other:
                other.execute(text("ALTER TABLE ran ADD COLUMN note text"))
        """,
        "ALTER TABLE ran ADD COLUMN note text",
    ),
    "a table, after a commit": Case(
        f"""
        def upgrade(db):
            run(db, "{LOG} ('one')")
            db.commit()
            run(db, "{LOG} ('two')")
            with other_engine(db).begin() as other:
                other.execute(text("TRUNCATE ran"))
        """,
        "TRUNCATE ran",
        left=("one",),
    ),
    "a table, in one transaction": Case(
        f"""
        transaction = "atomic"
        def upgrade(db):
            run(db, "{LOG} ('one')")
            run(db, "ALTER TABLE ran ADD COLUMN note text")
            db.commit()
            with other_engine(db).connect() as other:
                other.execute(text("SELECT count(*) FROM ran"))
        """,
        "SELECT count(*) FROM ran",
    ),
    "a key": Case(
        f"""
        def upgrade(db):
            run(db, "{LOG} ('one')")
            run(db, "INSERT INTO keys VALUES (1)")
            with other_engine(db).begin() as other:
                other.execute(text("INSERT INTO keys VALUES (1)"))
        """,
        "INSERT INTO keys VALUES (1)",
    ),
}
MENDED = f"run(db, \"{LOG} ('three')\")"


@pytest.mark.parametrize("waits_for", few(SECOND_ENGINE.cases(list(CASES))))
def test_a_second_engine_that_waits_for_its_own_migration_is_reported(
    project: Project, waits_for: str
) -> None:
    """It would wait for ever: PostgreSQL sees only one of the two waiting."""
    case = CASES[waits_for]
    books = Books(project)
    books.files(A, C)
    books.sql("CREATE TABLE ran (id serial, what text)", "CREATE TABLE keys (n int PRIMARY KEY)")
    project.write(B, migration(case.body))
    with pytest.raises(MigrationError) as caught:
        books.upgrade()
    said = str(caught.value)
    assert "It would have waited for ever, so it was cancelled." in said
    assert f"  what waited: {case.waited}\n" in said
    assert "  the last statement of the connection that holds the lock: " in said
    assert (books.applied, books.pointers, books.ran) == ([A], [A], [A, *case.left])
    project.write(B, migration(MENDED))
    assert books.upgrade() == [B, C]
    assert (books.applied, books.pointers) == ([A, B, C], [C])
    assert books.ran == [A, *case.left, "three", C]
