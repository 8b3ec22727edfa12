"""A downgrade is forgotten in the right tables, once, whichever way its file commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config

from bridge.errors import MigrationError
from support.books import Books
from support.running import CREATE_LOG
from support.taking_back import ATOMIC, AUTOCOMMIT, COMMITTED, FIRST, SECOND, taken_back_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project


@pytest.fixture
def books(project: Project) -> Books:
    books = Books(project)
    books.sql(CREATE_LOG)
    project.write(FIRST, taken_back_by("run(db, undo)", stem=FIRST))
    return books


def applied(books: Books, down: str, *, head: str = "") -> Books:
    """With both files applied, the last of them with this `downgrade`."""
    books.project.write(SECOND, taken_back_by(down, head=head))
    books.upgrade()
    return books


def left(books: Books) -> tuple[list[str], list[str], list[str]]:
    return (
        books.applied,
        books.pointers,
        [stem for (stem,) in books.table("log", "stem", "stem") or ()],
    )


BOTH = ([FIRST, SECOND], [SECOND], [FIRST, SECOND])
ONE = ([FIRST], [FIRST], [FIRST])


@pytest.mark.parametrize("to", ["-1", "base"])
@pytest.mark.parametrize(
    ("down", "head"),
    [
        *((down, "") for down in COMMITTED.values()),
        ("run(db, undo)", AUTOCOMMIT),
        ("run(db, undo)\ndb.commit()\nrun(db, undo)\ndb.commit()", ATOMIC),
        (
            (
                "run(db, undo)\nwith db.begin_nested():\n    run(db, undo)\ndb.commit()\n"
                "db.rollback()\nrun(db, undo)"
            ),
            "",
        ),
        ("run(db, undo)\ndb.connection().connection.commit()\nrun(db, undo)\ndb.commit()", ""),
        ("run(db, undo)\nrun(db, 'COMMIT AND CHAIN')\nrun(db, undo)\ndb.commit()", ""),
        ("run(db, undo)\nrun(db, 'ROLLBACK; ' + undo + '; COMMIT')\nrun(db, undo)", ""),
    ],
)
def test_whichever_way_it_commits_a_downgrade_that_ends_is_recorded_once(
    books: Books, to: str, down: str, head: str
) -> None:
    applied(books, down, head=head).downgrade(to)
    assert left(books) == (ONE if to == "-1" else ([], [], []))
    books.upgrade()
    assert left(books) == BOTH


@pytest.mark.parametrize("head", ["", AUTOCOMMIT])
def test_a_downgrade_that_sends_nothing_is_recorded_as_well(books: Books, head: str) -> None:
    applied(books, "pass", head=head).downgrade("-1")
    assert left(books)[:2] == ONE[:2]


#: What a file may do to its session before its first commit.
STEERED = {
    "another search_path": "SET search_path = aside",
    "another role": "SET ROLE {role}",
    "another user": "SET SESSION AUTHORIZATION {role}",
    "both": "SET search_path = aside; SET SESSION AUTHORIZATION {role}; SET ROLE {role}",
    "for the transaction": "SET LOCAL ROLE {role}",
    "by a function": "SELECT set_config('search_path', 'aside', true)",
    "read only from now on": "SET default_transaction_read_only = on",
}
LOCAL = ("for the transaction", "by a function")
SESSION = (
    "SELECT session_user::text || current_user || current_setting('search_path') || "
    "current_setting('default_transaction_read_only')"
)


@pytest.fixture
def role(books: Books) -> Iterator[Callable[[], str]]:
    """A role that may do nothing with the ledger; and a schema with books of its own."""
    name = f"{books.engine.url.database}_other"

    def make() -> str:
        books.sql(
            f"CREATE ROLE {name}",
            f"GRANT SELECT, DELETE, INSERT ON log TO {name}",
            "CREATE SCHEMA aside",
            f"CREATE TABLE aside.schema_migrations AS SELECT '{SECOND}'::text AS version",
            f"CREATE TABLE aside.alembic_version AS SELECT '{SECOND}'::text AS version_num",
            f"GRANT USAGE, CREATE ON SCHEMA aside TO {name}",
            f"GRANT ALL ON ALL TABLES IN SCHEMA aside TO {name}",
        )
        return name

    yield make
    books.sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.mark.parametrize("outside", [False, True], ids=["with its commit", "before it"])
@pytest.mark.parametrize("steered", STEERED)
def test_the_right_tables_forget_it_and_the_file_goes_on_as_it_was(
    books: Books, role: Callable[[], str], steered: str, outside: bool
) -> None:
    name = f"{books.engine.url.database}_other"
    statement = STEERED[steered].format(role=name)
    alone = (
        "raw = db.connection().connection.dbapi_connection\nraw.commit()\nraw.autocommit = True\n"
    )
    applied(
        books,
        f"""
run(db, {statement!r})
before = run(db, {SESSION!r}).scalar()
{alone if outside else ""}
run(db, undo.replace("log", "public.log"))
db.commit()
now = run(db, {SESSION!r}).scalar()
assert {steered in LOCAL} or now == before, (before, now)
db.commit()
""".replace("\n\n", "\n"),
    )
    role()
    if "read only" in steered and outside:
        with pytest.raises(MigrationError, match="read-only transaction"):
            books.downgrade("-1")
        assert left(books) == ([FIRST], [FIRST], [FIRST, SECOND])
    else:
        books.downgrade("-1")
        assert left(books) == ONE
    assert books.table("aside.schema_migrations") == [(SECOND,)]
    assert books.table("aside.alembic_version") == [(SECOND,)]


def test_the_rest_of_a_text_that_commits_means_what_it_meant(
    books: Books, role: Callable[[], str]
) -> None:
    applied(books, "run(db, 'SET search_path = aside')\nrun(db, 'CREATE TABLE made (); COMMIT')")
    role()
    books.downgrade("-1")
    assert left(books)[:2] == ONE[:2]
    assert books.sql("SELECT to_regclass('aside.made') IS NOT NULL") == [(True,)]


NOTHING_DONE = {
    "in a transaction that only reads": (
        "run(db, 'SET TRANSACTION READ ONLY')\nrun(db, 'SELECT 1')\ndb.commit()\n1 / 0",
        "",
    ),
    "with a commit of nothing": ("run(db, 'SELECT 1')\ndb.commit()\nrun(db, 'SELECT 1/0')", ""),
    "before its first statement": ("raise NotImplementedError('no way back')", AUTOCOMMIT),
    "before its first commit": ("run(db, undo)\n1 / 0", ""),
    "in its last statement": ("run(db, undo)\ndb.rollback()\nrun(db, undo)\n1 / 0", ""),
    "in a text that would commit": ("run(db, undo + '; SELECT 1/0; COMMIT')", ""),
}


@pytest.mark.parametrize("when", NOTHING_DONE)
def test_what_fails_before_anything_is_final_has_forgotten_nothing(books: Books, when: str) -> None:
    down, head = NOTHING_DONE[when]
    with pytest.raises(MigrationError, match="It is still recorded as applied"):
        applied(books, down, head=head).downgrade("-1")
    assert left(books) == BOTH


def test_in_a_callers_transaction_it_is_all_the_callers(books: Books) -> None:
    applied(books, "run(db, undo)\ndb.commit()\nrun(db, undo)\ndb.commit()")
    config = Config(books.project.path / "alembic.ini")
    for ends, expected in (("rollback", BOTH), ("commit", ONE)):
        with books.engine.connect() as connection:
            transaction = connection.begin()
            config.attributes["connection"] = connection
            command.downgrade(config, "-1")
            getattr(transaction, ends)()
        assert left(books) == expected


KEEPS = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE {} FOR EACH ROW EXECUTE FUNCTION keep()
"""


@pytest.mark.parametrize(
    ("table", "event", "told"),
    [
        ("schema_migrations", "DELETE", "The rows of 002_second were deleted from schema_migr"),
        ("alembic_version", "UPDATE", "alembic_version"),
    ],
)
@pytest.mark.parametrize("commits", ["", "db.commit()\nrun(db, 'SELECT 1')"])
def test_a_table_that_keeps_what_it_has_fails_the_downgrade(
    books: Books, table: str, event: str, told: str, commits: str
) -> None:
    applied(books, f"run(db, undo)\n{commits}")
    books.sql(KEEPS.format(f"{event} ON {table}"))
    with pytest.raises(MigrationError, match=told):
        books.downgrade("-1")
    assert left(books) == BOTH


def test_what_cannot_be_recorded_stays_undone_even_if_the_file_goes_on(books: Books) -> None:
    applied(
        books,
        """
run(db, undo)
db.commit()
try:
    run(db, "SELECT 1")
except Exception:
    db.rollback()
run(db, undo)
db.commit()
run(db, "SELECT 1")
""",
    )
    books.sql(KEEPS.format("DELETE ON schema_migrations"))
    with pytest.raises(MigrationError, match="were deleted from schema_migrations"):
        books.downgrade("-1")
    assert left(books) == BOTH
