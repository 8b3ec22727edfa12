"""`bridge.status` on a real database: what it says, and that it changes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

import bridge
from bridge.errors import FolderMissing, LedgerError, ServerUnreachable, UsageError
from support.books import Books
from support.findings import found_in
from support.project import DEFAULT_INI, Project

if TYPE_CHECKING:
    from support.databases import Databases

A, B, C = "001_a", "002_b", "003_c"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Books:
    """Two files, the first of them applied, for all that only look."""
    return made(Project.create(tmp_path_factory.mktemp("status") / "project", databases.take()))


def made(project: Project) -> Books:
    books = Books(project)
    books.files(A)
    books.upgrade()
    books.files(B)
    return books


def status(books: Books, database: Any = None, **given: Any) -> bridge.Status:
    """Ask, and see that nothing was changed by that."""
    before = books.everything()
    database = database or books.project.url
    found = bridge.status(database, config=books.project.path / "alembic.ini", **given)
    assert books.everything() == before
    return found


def test_it_tells_what_is_applied_and_what_is_pending(books: Books) -> None:
    found = status(books)
    assert [(each.version, str(each.state)) for each in found.migrations] == [
        (A, "applied"),
        (B, "pending"),
    ]
    assert (found.current, found.pending, found.up_to_date) == (A, (B,), False)
    applied, pending = found.migrations
    assert (applied.description, pending.description) == ("About 001_a", "About 002_b")
    assert applied.applied_at is not None
    assert applied.execution_ms is not None


def test_a_database_of_another_runner_is_told_and_not_adopted(project: Project) -> None:
    books = Books(project)
    books.files(A)
    books.old_runner()
    books.files(B)
    found = status(books)
    assert (found.current, found.pending, found.problems) == (A, (B,), ())


def test_a_new_database_stays_empty(project: Project) -> None:
    books = Books(project)
    books.files(A)
    found = status(books)
    assert (found.current, found.pending) == (None, (A,))
    assert books.table("schema_migrations") is None


def test_what_an_upgrade_refuses_is_a_problem_until_it_runs(project: Project) -> None:
    books = made(project)
    books.sql("DELETE FROM schema_migrations", "UPDATE alembic_version SET version_num = '002_b'")
    found = status(books)
    assert found.problems == (found_in(books.refused(books.upgrade)),)
    books.sql("UPDATE alembic_version SET version_num = '001_a'")
    assert status(books).problems == ()
    assert books.upgrade() == [A, B]
    assert status(books).up_to_date


def test_an_engine_a_url_and_a_connection_say_the_same(books: Books) -> None:
    assert books.project.url is not None
    written = books.project.url.render_as_string(hide_password=False)
    expected = status(books)
    assert status(books, written) == expected
    assert status(books, books.engine) == expected
    with books.engine.connect() as connection:
        assert status(books, connection) == expected
        assert not connection.in_transaction()


@pytest.mark.parametrize(
    ("level", "shown"), [("AUTOCOMMIT", "read committed"), ("SERIALIZABLE", "serializable")]
)
def test_a_connection_is_given_back_as_it_came(books: Books, level: Any, shown: str) -> None:
    assert books.project.url is not None
    engine = create_engine(books.project.url, isolation_level=level)
    with engine.connect() as connection:
        status(books, connection)
        assert not connection.in_transaction()
        driver: Any = connection.connection.dbapi_connection
        assert driver.autocommit == (level == "AUTOCOMMIT")
        assert connection.scalar(text("SHOW transaction_isolation")) == shown
        assert connection.scalar(text("SHOW transaction_read_only")) == "off"
    engine.dispose()


def test_a_transaction_that_is_under_way_is_seen_and_left_alone(books: Books) -> None:
    with books.engine.connect() as connection:
        connection.execute(text("DELETE FROM schema_migrations"))
        found = bridge.status(connection, config=books.project.path / "alembic.ini")
        assert found.current is None
        assert connection.in_transaction()
        assert connection.scalar(text("SELECT count(*) FROM schema_migrations")) == 0
        connection.rollback()
    assert status(books).current == A


def test_nothing_is_waited_for(books: Books) -> None:
    """A run under way holds the migration lock."""
    with books.engine.begin() as connection:
        connection.execute(text("LOCK TABLE schema_migrations IN EXCLUSIVE MODE"))
        assert bridge.status(books.engine, config=books.project.path / "alembic.ini").pending == (
            B,
        )


def test_alembic_is_not_imported(books: Books) -> None:
    code = (
        "import sys, bridge; found = bridge.status(); "
        "print(found.current, sorted(m for m in sys.modules if m.split('.')[0] == 'alembic'))"
    )
    done = books.project.python(code, check=True)
    assert done.stdout == "001_a []\n"
    assert "alembic" in sys.modules


def test_what_leaves_nothing_to_tell_is_an_error(books: Books) -> None:
    with pytest.raises(UsageError, match="No database is named"):
        bridge.status(config=books.project.path / "alembic.ini")
    assert books.project.url is not None
    with pytest.raises(ServerUnreachable):
        status(books, books.project.url.set(host="127.0.0.1", port=1, query={}))
    nowhere = books.project.path / "nowhere.ini"
    nowhere.write_text(DEFAULT_INI.replace("/migrations", "/nowhere"))
    with pytest.raises(FolderMissing):
        bridge.status(books.project.url, config=nowhere)


def test_a_table_that_is_no_ledger_is_an_error_in_words(books: Books) -> None:
    books.sql("CREATE TABLE other (x bytea, y bytea)", "INSERT INTO other VALUES ('a', 'b')")
    other = books.project.path / "other.ini"
    other.write_text(DEFAULT_INI + "ledger_table = other\n")
    with pytest.raises(LedgerError, match="The table other is not a ledger that bridge knows"):
        bridge.status(books.project.url, config=other)


def test_a_failed_transaction_is_an_error_in_words(books: Books) -> None:
    with books.engine.connect() as connection:
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1/0"))
        with pytest.raises(LedgerError) as caught:
            bridge.status(connection, config=books.project.path / "alembic.ini")
    assert str(caught.value) == (
        "The bookkeeping tables could not be read: current transaction is aborted, commands "
        "ignored until end of transaction block. Nothing was changed."
    )
