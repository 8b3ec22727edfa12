"""A ledger under another name: found before anything runs a second time, and nothing else is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from support.adopted import Adopted

if TYPE_CHECKING:
    from support.project import Project

A, B = "001_create_users", "002_add_index"


@pytest.fixture
def books(project: Project) -> Adopted:
    books = Adopted(project)
    books.files(A, B)
    return books


SHAPES = {
    "names": ("migrations", "name TEXT PRIMARY KEY, at TIMESTAMPTZ DEFAULT now()", f"'{A}'"),
    "id and name": ("migrations", "id INT PRIMARY KEY, name VARCHAR(100)", f"1, '{A}'"),
    "files": ("applied", "filename TEXT", f"'{A}.py'"),
    "other suffix": ("applied", "filename TEXT", f"'{A}.sql'"),
    "paths": ("db_patches", "path CHAR(90)", f"'db/migrations/{A}.py'"),
    "modules": ("changes", '"The: Module %" NAME', f"'app.migrations.{A}'"),
    "a version of another spelling": ("deploys", "version TEXT", "'V1__create-users'"),
    "numbers as text": ("schema_version", "version TEXT", "'1'"),
    "numbers with zeros": ("Migration History", "v TEXT", "'001'"),
    "numbers": ("schema_version", "version INTEGER PRIMARY KEY", "1"),
    "numbers with words": ("db_version", "version BIGINT, description TEXT", "1, 'create users'"),
    "flyway": (
        "flyway_schema_history",
        "installed_rank INT, version TEXT, description TEXT, script TEXT, checksum INT, ok BOOL",
        f"1, '1', 'create users', '{A}.sql', 5, true",
    ),
    "late in the table": ("notes", "a TEXT, b TEXT, c TEXT, d TEXT", f"'x', 'y', 'z', '{A}'"),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_ledger_of_another_name_is_refused_and_becomes_one_as_told(
    books: Adopted, shape: str
) -> None:
    table, definition, row = SHAPES[shape]
    books.raw(
        f'CREATE TABLE "{table}" ({definition})',
        f'INSERT INTO "{table}" VALUES ({row})',
        "CREATE TABLE users (id INT, name TEXT)",
    )
    finding = books.refusal()
    assert (finding.id, books.ran) == ("other-table", [])
    told = finding.next.partition("set in alembic.ini: ")[2].partition(". If")[0]
    assert told == f"ledger_table = {table}"
    # It is none.
    other = finding.next.partition("If it is not, set: ")[2].rstrip(".")
    books.project.ini(extra=f"{other}\n")
    assert books.upgrade() == [A, B]


def test_the_line_to_type_makes_it_the_ledger(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE migrations (id SERIAL, name TEXT)",
        f"INSERT INTO migrations (name) VALUES ('{A}')",
    )
    told = books.refusal().next.partition("set in alembic.ini: ")[2].partition(". If")[0]
    books.project.ini(extra=f"{told}\n")
    assert books.upgrade() == [B]
    assert books.ran == [B]
    assert books.raw("SELECT name FROM migrations ORDER BY id") == [(A,), (B,)]
    assert books.table("schema_migrations") is None


def test_an_empty_ledger_beside_a_full_one_is_no_proof_of_a_new_database(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY)",
        "CREATE TABLE migrations (name TEXT)",
        f"INSERT INTO migrations VALUES ('{A}')",
    )
    assert "schema_migrations is empty, but the table migrations" in books.refusal().message


INNOCENT = {
    "numbers": ("orders", "id INT, customer TEXT, amount INT", "1, '001', 1"),
    "a number in a text": ("settings", "key TEXT, value TEXT", "'retries', '1'"),
    "another name": ("migrations", "name TEXT", "'001_create_orders'"),
    "another application's numbers": ("revisions", "title TEXT, body TEXT", "'first', 'x 1'"),
    "versions of documents": ("document_versions", "id INT, version INT, body TEXT", "1, 1, 'x'"),
    "another schema's level": ("schema_level", "level SMALLINT", "3"),
    "words": ("articles", "title TEXT", "'create users'"),
    "a number that is none of a file": ("schema_version", "version INTEGER", "77"),
    "no rows": ("migrations", "name TEXT", ""),
    "wide": (
        "wide",
        ", ".join(f"c{n} TEXT" for n in range(9)),
        ", ".join([f"'{A}'"] * 9),
    ),
}


@pytest.mark.parametrize("name", list(INNOCENT))
def test_a_table_of_the_application_is_not_taken_for_one(books: Adopted, name: str) -> None:
    table, definition, row = INNOCENT[name]
    books.raw(f"CREATE TABLE {table} ({definition})")
    if row:
        books.raw(f"INSERT INTO {table} VALUES ({row})")
    assert books.status().findings == ()
    assert books.upgrade() == [A, B]


def full(books: Adopted, table: str = "migrations") -> None:
    books.raw(f"CREATE TABLE {table} (name TEXT)", f"INSERT INTO {table} VALUES ('{A}')")


def test_a_setting_that_names_the_table_switches_it_off(books: Adopted) -> None:
    full(books)
    books.project.ini(extra="ledger_table = schema_migrations\n")
    assert books.status().findings == ()
    assert books.upgrade() == [A, B]


def test_where_bridge_has_been_nothing_else_is_looked_for(books: Adopted) -> None:
    books.upgrade()
    books.downgrade("base")
    full(books)
    assert books.upgrade() == [A, B]


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW", "TEMPORARY TABLE"])
def test_only_ordinary_tables_are_looked_through(books: Adopted, kind: str) -> None:
    books.raw(f"CREATE {kind} migrations AS SELECT '{A}'::text AS name")
    assert books.upgrade() == [A, B]


def test_a_large_table_is_passed_over(books: Adopted) -> None:
    books.raw(
        "CREATE TABLE events AS SELECT repeat('x', 500) AS name FROM generate_series(1, 12000)",
        f"INSERT INTO events VALUES ('{A}')",
    )
    assert books.status().findings == ()


def test_of_many_tables_those_whose_names_tell_come_first(books: Adopted) -> None:
    books.raw(
        *(f"CREATE TABLE a{n} AS SELECT 'x 1'::text AS note" for n in range(60)),
        f"CREATE TABLE our_migrations AS SELECT '{A}'::text AS name",
    )
    assert "our_migrations" in books.refusal().message


def test_a_table_that_may_not_be_read_does_not_hide_the_one_that_may(books: Adopted) -> None:
    role = f"bridge_test_{secrets.token_hex(4)}"
    full(books)
    full(books, "a_migrations")
    books.raw(
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {role}",
    )
    try:
        url = books.engine.url.set(username=role, password="secret")
        as_role = Adopted(books.project, books.reporter)
        as_role.engine = create_engine(url, poolclass=NullPool)
        assert as_role.status().findings == ()
        books.raw(f"GRANT SELECT (name) ON a_migrations TO {role}")
        assert as_role.status().findings == ()
        books.raw(f"GRANT SELECT ON migrations TO {role}")
        assert "migrations holds" in as_role.refusal().message
        books.raw(
            "ALTER TABLE migrations ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON migrations USING (1 / (SELECT 0) = 1)",
            f"GRANT SELECT ON a_migrations TO {role}",
        )
        assert "a_migrations holds" in as_role.refusal().message
    finally:
        books.raw(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_locked_table_is_not_waited_for_and_does_not_hide_another(books: Adopted) -> None:
    full(books)
    full(books, "a_migrations")
    with books.engine.connect() as holder:
        holder.exec_driver_sql("LOCK TABLE a_migrations IN ACCESS EXCLUSIVE MODE")
        assert "the table migrations holds" in books.refusal().message
        holder.exec_driver_sql("LOCK TABLE migrations IN ACCESS EXCLUSIVE MODE NOWAIT")


def test_nothing_stays_locked_or_set(books: Adopted) -> None:
    books.raw("CREATE TABLE orders (name TEXT)", "INSERT INTO orders VALUES ('order 7')")
    books.project.write(
        A,
        """
        from sqlalchemy import text
        def upgrade(db):
            held = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass"
            assert db.scalar(text(held)) == 0
            assert db.scalar(text("SHOW lock_timeout")) in ("0", "2s")
        """,
    )
    assert books.upgrade(A) == [A]


def test_a_ledger_in_a_schema_of_its_own_is_found_too(books: Adopted) -> None:
    books.raw(
        "CREATE SCHEMA elsewhere",
        f"CREATE TABLE elsewhere.migrations AS SELECT '{A}'::text AS name",
    )
    finding = books.refusal()
    assert finding.id == "other-table"
    assert "the table elsewhere.migrations holds the name of the first file" in finding.message
    assert finding.next == (
        "If it is this project's ledger, set in alembic.ini: version_table_schema = elsewhere and "
        "ledger_table = migrations. If it is not, set: ledger_table = schema_migrations."
    )
    books.project.ini(extra="version_table_schema = elsewhere\n")
    finding = books.refusal()
    assert finding.id == "other-table"
    assert finding.next.endswith("If it is not, set: ledger_table = schema_migrations.")
    books.project.ini(extra="version_table_schema = public\n")
    assert books.status().findings == ()
