"""A ledger that names a migration by its number and its words together, in two columns."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest

from bridge.errors import LedgerError
from bridge.operations.sql_script import write_sql
from support.adopted import Adopted

if TYPE_CHECKING:
    from support.project import Project

A, B, C, D = "001_orders", "001_users", "002_new_items", "003_last"
KINDS = {
    "integers": ("version INTEGER NOT NULL, name TEXT NOT NULL", "{}", "{}"),
    "texts": ("version VARCHAR(9), name VARCHAR(99), UNIQUE (version, name)", "00{}", "{}"),
    "letters": ("id TEXT NOT NULL, title TEXT NOT NULL", "V{}", "{}"),
}


def adopt(books: Adopted, kind: str, *stems: str) -> str:
    """A ledger with these rows; gives what to read to see them."""
    columns, number, words = KINDS[kind]
    books.raw(
        "CREATE TABLE ran (id serial, what text)",
        f"CREATE TABLE schema_migrations ({columns})",
    )
    names = [part.split()[0] for part in columns.split(", ")[:2]]
    for stem in stems:
        at, what = int(stem[:3]), stem[4:]
        books.raw(
            f"INSERT INTO schema_migrations ({', '.join(names)}) VALUES "
            f"('{number.format(at)}', '{words.format(what)}')"
        )
    return f"{names[0]}::text || '/' || {names[1]}"


def shown(kind: str, *stems: str) -> list[str]:
    _, number, words = KINDS[kind]
    return sorted(f"{number.format(int(s[:3]))}/{words.format(s[4:])}" for s in stems)


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B, C)
    return books


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_command_writes_both_columns(books: Adopted, kind: str) -> None:
    held = adopt(books, kind, A)
    assert books.upgrade() == [B, C]
    assert books.holds(held) == shown(kind, A, B, C)
    assert books.pointers == [C]
    books.downgrade("-1")
    assert books.holds(held) == shown(kind, A, B)
    books.stamp("head")
    books.mark(B, applied=False)
    assert books.holds(held) == shown(kind, A, C)
    books.mark(B, applied=True)
    assert books.holds(held) == shown(kind, A, B, C)
    books.files(D)
    out = io.StringIO()
    write_sql(books.request, out=out)
    url = books.engine.url.set(drivername="postgresql")
    with closing(psycopg2.connect(url.render_as_string(hide_password=False))) as connection:
        connection.autocommit = True
        connection.cursor().execute(out.getvalue())
    assert books.holds(held) == shown(kind, A, B, C, D)
    assert books.upgrade() == []
    assert books.ran == [B, C, f"-{C}", D]
    assert books.reporter.warnings == []
    (note,) = books.reporter.notes  # nothing settles it, so it is said once
    assert f"' is {A}." in note
    assert "To settle it" not in note


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_that_was_renamed_is_repaired_in_both(books: Adopted, kind: str) -> None:
    held = adopt(books, kind, A, B, C)
    books.upgrade()
    file = books.project.migrations / f"{C}.py"
    file.rename(file.with_name("004_better_items.py"))
    assert books.refusal().id == "renamed"
    assert len(books.repair()) == 1
    assert books.holds(held) == shown(kind, A, B, "004_better_items")
    assert books.upgrade() == []
    assert books.pointers == ["004_better_items"]


def test_a_row_that_may_be_a_file_is_told_with_both_ways_on(books: Adopted) -> None:
    """Its number is that of a file with other words."""
    held = adopt(books, "integers", A, B, "002_old_items")
    finding = books.refusal()
    assert finding.id == "maybe-renamed"
    assert finding.next == (
        "If it is that migration, type: eai migrate repair '2 old_items'. If it is a new one, "
        "type: eai migrate mark 002_new_items --pending."
    )
    books.repair("2 old_items")
    assert books.holds(held) == shown("integers", A, B, C)
    assert books.upgrade() == []


def test_a_row_that_is_spelled_otherwise_is_corrected_by_the_line_to_type(books: Adopted) -> None:
    held = adopt(books, "integers", A, B)
    books.raw("INSERT INTO schema_migrations VALUES (2, 'New-Items')")
    finding = books.refusal()
    assert finding.id == "names-differ"
    books.type(finding, "correct the row: ")
    assert books.holds(held) == shown("integers", A, B, C)
    assert books.upgrade() == []


def test_two_rows_of_one_number_are_deleted_each_by_itself(books: Adopted) -> None:
    held = adopt(books, "integers", A, B)
    books.upgrade()
    books.mark(A, applied=False)
    assert books.holds(held) == shown("integers", B, C)
    assert books.upgrade() == [A]


def test_a_number_that_a_column_takes_once_is_refused_before_anything_runs(
    books: Adopted,
) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "INSERT INTO schema_migrations VALUES (1, 'orders')",
    )
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("refused-row", B)
    assert str(finding) == (
        "schema_migrations.version takes each value once, and '1' would be in the rows of "
        "001_orders and 001_users. So the migration could run, but could not be recorded. "
        "Give 001_users.py a number of its own."
    )
    file = books.project.migrations / f"{B}.py"
    file.rename(file.with_name("004_users.py"))
    assert books.upgrade() == [C, "004_users"]


def test_two_pending_files_of_one_number_are_refused_as_well(books: Adopted) -> None:
    books.files("003_last", "003_more")
    books.raw(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "INSERT INTO schema_migrations VALUES (1, 'users'), (2, 'new_items')",
    )
    books.project.remove(A)
    finding = books.refusal()
    assert (finding.id, finding.migration) == ("refused-row", "003_more")
    assert "003_last and 003_more" in finding.message


def test_without_rows_nobody_can_tell_which_column_is_the_name(books: Adopted) -> None:
    books.raw("CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    with pytest.raises(LedgerError, match="001_orders and 001_users have the same number"):
        books.upgrade()
    books.project.remove(A)
    assert books.upgrade() == [B, C]
    assert books.raw("SELECT version, name FROM schema_migrations ORDER BY 1") == [(1, B), (2, C)]


def test_what_was_recognised_is_said_by_init_too(books: Adopted) -> None:
    adopt(books, "integers", A, B)
    (books.project.path / "alembic.ini").unlink()
    done = books.project.eai("migrate", "init")
    assert (
        "The table schema_migrations was recognised: 2 rows, which name migrations by the number "
        "in the column version and the words after it in the column name."
    ) in done.stdout + done.stderr


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_init_writes_is_what_the_runs_then_go_by(books: Adopted, kind: str) -> None:
    held = adopt(books, kind, A, B)
    (books.project.path / "alembic.ini").unlink()
    books.project.eai("migrate", "init", check=True)
    assert "ledger_key" not in (books.project.path / "alembic.ini").read_text()
    books.project.eai("migrate", check=True)
    assert books.holds(held) == shown(kind, A, B, C)
    assert books.ran == [C]


def test_a_form_that_is_set_too_early_is_taken_out_again(books: Adopted) -> None:
    """As `init` sets it as long as no two files share a number."""
    books.project.remove(A)
    held = adopt(books, "integers", B)
    (books.project.path / "alembic.ini").unlink()
    books.project.eai("migrate", "init", check=True)
    settings = books.project.path / "alembic.ini"
    assert "ledger_key_form = number" in settings.read_text()
    assert books.upgrade() == [C]
    assert books.holds(held) == shown("integers", B, C)
    books.files(A)
    with pytest.raises(LedgerError) as caught:
        books.upgrade()
    assert str(caught.value).endswith(
        "If another column has their names, take ledger_key and ledger_key_form out of alembic.ini."
    )
    settings.write_text(settings.read_text().replace("ledger_key_form = number", ""))
    assert books.upgrade() == [A]
    assert books.holds(held) == shown("integers", A, B, C)


def test_changed_names_of_most_files_leave_the_numbers(books: Adopted) -> None:
    """Files that share a number cannot be told apart then."""
    adopt(books, "integers", "001_a", "001_b")
    with pytest.raises(LedgerError, match="001_orders and 001_users have the same number"):
        books.upgrade()
    books.project.remove(B)
    books.raw("DELETE FROM schema_migrations WHERE name = 'b'")
    finding = books.refusal()
    assert finding.id == "required-column"
