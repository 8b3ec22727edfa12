"""The server refuses a statement with SQLSTATE 53100, as it does when its disk is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.errors import BridgeError
from support.books import Books
from support.faults import DISK_FULL
from support.selection import few

if TYPE_CHECKING:
    from support.project import Project

A, B, C = "001_a", "002_b", "003_c"

#: As a function for a statement, for a trigger, and for an event trigger.
FULL = """
CREATE FUNCTION full_disk() RETURNS {type} LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16390": No space left on device'
    USING ERRCODE = 'disk_full';
END $$"""
FUNCTION, TRIGGER = FULL.format(type="void"), FULL.format(type="trigger")
EVENT_TRIGGER = FULL.format(type="event_trigger")
FREED = "DROP FUNCTION full_disk CASCADE"

HEAD = """\
from sqlalchemy import text

def run(db, statement):
    db.execute(text(statement))

def log(db, what):
    run(db, f"INSERT INTO ran (what) VALUES ('{what}')")

def fill(db):
    # Freed, it is no longer there.
    run(db, "DO $$ BEGIN IF to_regproc('full_disk') IS NOT NULL THEN "
            "PERFORM full_disk(); END IF; END $$")

"""


@dataclass(frozen=True)
class Case:
    """A disk that is full at one moment."""

    #: What the file does that meets it.
    body: str = 'log(db, "one"); log(db, "two"); db.commit()'
    head: str = ""
    #: What makes it full.
    by: tuple[str, ...] = (FUNCTION,)
    #: What the file had committed itself.
    left: tuple[str, ...] = ()
    #: Whether it is met on the way down.
    down: bool = False


def on(event: str) -> tuple[str, ...]:
    return (TRIGGER, f"CREATE TRIGGER full_disk BEFORE {event} EXECUTE FUNCTION full_disk()")


def at_commit_of(table: str) -> tuple[str, ...]:
    """It is noticed when the COMMIT checks what is deferred."""
    trigger = (
        f"CREATE CONSTRAINT TRIGGER full_disk AFTER INSERT ON {table} DEFERRABLE INITIALLY "
        "DEFERRED FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    return (TRIGGER, trigger)


CASES = {
    "in a statement": Case('log(db, "one"); fill(db); log(db, "two"); db.commit()'),
    "after a commit": Case('log(db, "one"); db.commit(); fill(db); log(db, "two")', left=("one",)),
    "atomic": Case(
        'log(db, "one"); db.commit(); fill(db); log(db, "two")', 'transaction = "atomic"\n'
    ),
    "without a transaction": Case(
        'log(db, "one"); fill(db); log(db, "two")', 'transaction = "autocommit"\n', left=("one",)
    ),
    "in the record": Case(by=on("INSERT ON schema_migrations FOR EACH ROW")),
    "in the pointer": Case(by=on("INSERT OR UPDATE ON alembic_version FOR EACH ROW")),
    "at the commit of the work": Case(by=at_commit_of("ran")),
    "at the commit of the record": Case(by=at_commit_of("schema_migrations")),
    "in the record of a downgrade": Case(
        by=on("DELETE ON schema_migrations FOR EACH ROW"), down=True
    ),
    "in the pointer of a downgrade": Case(
        by=on("UPDATE OR DELETE ON alembic_version FOR EACH ROW"), down=True
    ),
    "in the making of the tables": Case(
        by=(
            EVENT_TRIGGER,
            "CREATE EVENT TRIGGER full_disk ON ddl_command_end EXECUTE FUNCTION full_disk()",
        )
    ),
}


@pytest.fixture
def books(project: Project) -> Books:
    return Books(project)


def write(books: Books, case: Case) -> None:
    revert = '\ndef downgrade(db):\n    log(db, "down")\n'
    books.project.write(B, f"{case.head}{HEAD}\ndef upgrade(db):\n    {case.body}\n{revert}")


@pytest.mark.parametrize("name", few(DISK_FULL.cases(list(CASES)), count=2))
def test_what_meets_a_full_disk_is_undone_and_the_next_run_does_it(books: Books, name: str) -> None:
    case = CASES[name]
    anew = name == "in the making of the tables"
    books.sql("CREATE TABLE ran (id serial, what text)")
    if not anew:
        books.files(A)
        books.upgrade()
    write(books, case)
    if case.down:
        books.upgrade()
    before = (books.applied, books.pointers, books.ran) if not anew else ([], [], [])
    books.sql(*case.by)
    with pytest.raises(BridgeError, match="No space left on device"):
        books.downgrade("-1") if case.down else books.upgrade()
    if anew:
        assert books.table("schema_migrations") is None
        assert books.table("alembic_version") is None
    else:
        after = (books.applied, books.pointers, books.ran)
        assert after == (*before[:2], [*before[2], *case.left])
    books.sql(FREED)
    ran = books.ran
    if case.down:
        books.downgrade("-1")
        assert (books.applied, books.pointers, books.ran) == ([A], [A], [*ran, "down"])
    else:
        assert books.upgrade() == [B]
        assert books.applied[-1:] == books.pointers == [B]
        assert books.ran == [*ran, "one", "two"]
