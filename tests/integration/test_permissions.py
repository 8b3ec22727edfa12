"""Roles, connections and servers that may not write: what they start, what they are told."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import bridge
from bridge.config.settings import Settings
from bridge.errors import BridgeError, LedgerError, UsageError
from bridge.operations.quick_query import is_up_to_date, through_engine
from support.books import LOGGED, Books
from support.running import ask, do
from support.standby import replicated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from support.project import Project
    from support.standby import Pair

A, B, C = "001_a", "002_b", "003_c"
CREATE_RAN = "CREATE TABLE IF NOT EXISTS ran (id serial, what text)"

PRIMARY = (
    "It needs the primary, and a role that may write there: set MIGRATION_DATABASE_URL to its "
    "address. If the primary changes between servers, name them all, and add "
    "target_session_attrs: "
    "postgresql://role@host1,host2/database?target_session_attrs=read-write"
)
READ_ONLY = (
    "This connection may only read (default_transaction_read_only is on, for the role, the "
    "database or the server; some hosts set it when a disk is full), "
)
STANDBY = "This server is a standby (a replica), which takes no changes, "
GRANT = "GRANT SELECT, INSERT, UPDATE, DELETE ON schema_migrations, alembic_version TO "


def to_grant(role: str) -> str:
    return (
        f"Type this once as their owner: {GRANT}{role}; or set MIGRATION_DATABASE_URL to a role "
        "that has them."
    )


@dataclass
class Role:
    """A role that may do nothing yet, and what bridge does as it."""

    name: str
    url: URL
    books: Books

    def grant(self, *grants: str) -> None:
        self.books.sql(*(f"GRANT {each} TO {self.name}" for each in grants))

    def upgrade(self) -> list[str]:
        engine = create_engine(self.url, poolclass=NullPool)
        report = bridge.upgrade(
            engine,
            config=self.books.project.path / "alembic.ini",
            reporter=self.books.reporter,
        )
        return [applied.stem for applied in report.applied]

    def is_fast(self) -> bool:
        """Whether its start asks one query and no more."""
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            settings = Settings(folder=str(self.books.project.migrations))
            return is_up_to_date(through_engine(connection), settings)

    def refused(self) -> BridgeError:
        """The refusal, which leaves both tables and everything else as it was."""
        before, ran = self.books.everything(), self.books.ran
        with pytest.raises(BridgeError) as caught:
            self.upgrade()
        assert (self.books.everything(), self.books.ran) == (before, ran)
        return caught.value


@contextmanager
def role_of(books: Books) -> Iterator[Role]:
    name = f"bridge_test_{secrets.token_hex(4)}"
    books.sql(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"GRANT USAGE ON SCHEMA public TO {name}",
    )
    try:
        yield Role(name, books.engine.url.set(username=name, password="secret"), books)
    finally:
        books.sql(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.fixture
def books(project: Project) -> Books:
    books = Books(project)
    books.files(A, B)
    return books


@pytest.fixture
def role(books: Books) -> Iterator[Role]:
    with role_of(books) as role:
        yield role


def old_table(books: Books, *stems: str, pointer: str | None = None) -> None:
    """The books of the old runner, which knew three columns, and Alembic's narrow table."""
    books.sql(
        "CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY, "
        "applied_at timestamp DEFAULT now(), description text)",
        *(f"INSERT INTO schema_migrations (version) VALUES ('{stem}')" for stem in stems),
    )
    if pointer:
        books.sql(
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{pointer}')",
        )


# Nothing is pending


def test_a_role_that_may_only_read_starts_with_one_query(books: Books, role: Role) -> None:
    books.upgrade()
    role.grant("SELECT ON schema_migrations, alembic_version")
    assert role.is_fast()
    assert role.upgrade() == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_role_that_may_only_read_starts_on_adopted_tables(
    books: Books, role: Role, *, read_only: bool
) -> None:
    """They lack columns and are narrow, which only their owner can mend."""
    old_table(books, A, B, pointer=B)
    role.grant("SELECT ON schema_migrations, alembic_version")
    if read_only:
        books.sql(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    before = books.everything()
    assert not role.is_fast()
    assert role.upgrade() == []
    assert books.everything() == before
    assert (books.reporter.warnings, books.reporter.notes) == ([], [])


def test_a_role_that_may_only_read_starts_where_no_pointer_was_made_yet(
    books: Books, role: Role
) -> None:
    old_table(books, A, B)
    role.grant("SELECT ON schema_migrations")
    assert role.upgrade() == []
    assert books.pointers == []
    (note,) = books.reporter.notes
    assert note == (
        "Nothing is pending, so the run goes on. The tables schema_migrations and alembic_version "
        "cannot be created by this role: permission denied for schema public. Nothing was run. "
        "Grant it USAGE and CREATE on the schema, or set MIGRATION_DATABASE_URL to a role that "
        "has them."
    )
    assert books.upgrade() == []
    assert books.pointers == [B]


def test_a_role_that_may_only_read_starts_where_the_pointer_is_wrong(
    books: Books, role: Role
) -> None:
    books.upgrade()
    books.sql("UPDATE alembic_version SET version_num = '001_a'")
    role.grant("SELECT ON schema_migrations, alembic_version")
    before = books.everything()
    assert role.upgrade() == []
    assert books.everything() == before
    (note,) = books.reporter.notes
    assert note == (
        "Nothing is pending, so the run goes on. This role may not write what a run records: it "
        f"has no right to DELETE and INSERT on alembic_version. {to_grant(role.name)}"
    )


# Something is pending


@pytest.mark.parametrize("transaction", ["default", "autocommit"])
def test_a_role_that_cannot_record_is_told_before_anything_is_run(
    books: Books, role: Role, transaction: str
) -> None:
    books.upgrade()
    books.project.write(C, f"transaction = '{transaction}'\n{LOGGED.format(stem=C)}")
    role.grant(
        "SELECT ON schema_migrations, alembic_version", "ALL ON ran", "ALL ON SEQUENCE ran_id_seq"
    )
    error = role.refused()
    assert isinstance(error, LedgerError)
    assert str(error) == (
        "This role may not write what a run records: it has no right to INSERT on "
        "schema_migrations, and none to INSERT and UPDATE on alembic_version. Nothing was changed "
        "in the database. "
        f"{to_grant(role.name)}"
    )


def test_a_role_with_just_the_rights_that_are_needed_migrates(books: Books, role: Role) -> None:
    books.upgrade()
    books.project.write(C, LOGGED.format(stem=C).replace(CREATE_RAN, "SELECT 1"))
    role.grant(
        "SELECT, INSERT ON schema_migrations",
        "SELECT, INSERT, UPDATE (version_num) ON alembic_version",
        *("INSERT ON ran", "USAGE ON SEQUENCE ran_id_seq"),
    )
    assert role.upgrade() == [C]
    assert (books.applied, books.pointers) == ([A, B, C], [C])


def test_a_role_that_cannot_create_the_tables_is_told(books: Books, role: Role) -> None:
    assert str(role.refused()) == (
        "The tables schema_migrations and alembic_version cannot be created by this role: "
        "it may not create tables in the schema public. Nothing was changed in the database. Type "
        "this once as the "
        f"schema's owner: GRANT USAGE, CREATE ON SCHEMA public TO {role.name}; or set "
        "MIGRATION_DATABASE_URL to a role that has them."
    )


def test_a_schema_that_is_not_there_is_told(books: Books, role: Role) -> None:
    books.project.ini(extra="version_table_schema = Tenant 1\n")
    assert str(role.refused()) == (
        "There is no schema Tenant 1, which version_table_schema names, so the tables "
        '"Tenant 1".schema_migrations and "Tenant 1".alembic_version have no place. '
        "Nothing was changed in the database. Type this once: "
        'CREATE SCHEMA "Tenant 1"; or correct version_table_schema in alembic.ini.'
    )


def test_a_role_that_cannot_read_the_tables_is_told(books: Books, role: Role) -> None:
    books.upgrade()
    assert str(role.refused()) == (
        "The tables schema_migrations and alembic_version cannot be read by this role: permission "
        f"denied for table schema_migrations. Nothing was run. {to_grant(role.name)}"
    )
    books.sql(f"{GRANT}{role.name}")
    books.upgrade()


def test_a_role_that_cannot_use_the_schema_is_told(books: Books, role: Role) -> None:
    books.upgrade()
    books.sql(f"REVOKE USAGE ON SCHEMA public FROM {role.name}")
    assert str(role.refused()) == (
        "This connection finds no schema_migrations, but the schema public of the same database "
        "holds one: if the search_path is not the one that is meant, every migration would run "
        "again in another schema. Nothing was changed in the database. This role may not use it: "
        f"GRANT USAGE ON SCHEMA public TO {role.name}; Only if the tables are there, in public, "
        "set: version_table_schema = public."
    )
    books.project.ini(extra="version_table_schema = public\n")
    assert str(role.refused()).startswith(
        "The tables public.schema_migrations and public.alembic_version cannot be read by this "
        "role: permission denied for schema public. Nothing was run. Grant it USAGE on the schema"
    )


def test_a_downgrade_that_could_not_be_recorded_is_refused(books: Books, role: Role) -> None:
    books.upgrade()
    role.grant("SELECT, INSERT ON schema_migrations", "ALL ON alembic_version", "ALL ON ran")
    as_role = Books(books.project)
    as_role.__dict__["engine"] = create_engine(role.url, poolclass=NullPool)
    with pytest.raises(LedgerError) as caught:
        as_role.downgrade("-1")
    assert str(caught.value) == (
        "This role may not write what a run records: it has no right to DELETE on "
        f"schema_migrations. Nothing was changed in the database. {to_grant(role.name)}"
    )
    assert books.ran == [A, B]


def test_a_connection_that_may_only_read_is_told(books: Books, role: Role) -> None:
    books.upgrade()
    role.grant("ALL ON ALL TABLES IN SCHEMA public")
    books.sql(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    assert role.is_fast()
    assert role.upgrade() == []
    books.files(C)
    error = role.refused()
    assert isinstance(error, UsageError)
    assert str(error) == (
        f"{READ_ONLY}and there is something to run: 003_c. Nothing was changed in the database. "
        f"{PRIMARY}"
    )


def test_a_connection_that_may_only_read_cannot_begin_a_new_database(
    books: Books, role: Role
) -> None:
    books.files(C, "004_d", "005_e")
    role.grant("ALL ON SCHEMA public")
    books.sql(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    assert str(role.refused()) == (
        f"{READ_ONLY}and there is something to run: 001_a, 002_b, 003_c and 2 more. Nothing was "
        f"changed in the database. {PRIMARY}"
    )


def test_a_connection_that_may_only_read_and_an_empty_folder_are_no_trouble(
    books: Books, role: Role
) -> None:
    books.project.remove(A)
    books.project.remove(B)
    books.sql(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    assert role.upgrade() == []


# A hot standby


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with replicated() as pair:
        yield pair


@dataclass
class Standby:
    """A database of the primary, and the same on the standby, by the files of one project."""

    pair: Pair
    books: Books
    url: URL

    def upgrade(self) -> list[str]:
        """Start on the standby, once it has what the primary has."""
        self.pair.caught_up()
        report = bridge.upgrade(
            self.url, config=self.books.project.path / "alembic.ini", reporter=self.books.reporter
        )
        return [applied.stem for applied in report.applied]


@pytest.fixture
def standby(pair: Pair, folder_project: Project) -> Iterator[Standby]:
    name = f"db_{secrets.token_hex(4)}"
    admin = pair.writer.execution_options(isolation_level="AUTOCOMMIT")
    do(admin, f"CREATE DATABASE {name}")
    project = type(folder_project)(folder_project.path, pair.primary.set(database=name))
    books = Books(project)
    books.files(A, B)
    yield Standby(pair, books, pair.standby.set(database=name))
    do(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("prepared", "notes"),
    [
        (Books.upgrade, 0),
        (lambda books: old_table(books, A, B, pointer=B), 0),
        (lambda books: old_table(books, A, B), 1),
    ],
    ids=["as bridge made it", "adopted", "without a pointer"],
)
def test_a_service_starts_on_a_standby_where_nothing_is_pending(
    standby: Standby, prepared: Callable[[Books], object], notes: int
) -> None:
    prepared(standby.books)
    assert standby.upgrade() == []
    assert len(standby.books.reporter.notes) == notes
    assert standby.books.reporter.warnings == []


def test_a_standby_is_told_that_it_needs_the_primary(standby: Standby) -> None:
    standby.books.upgrade()
    standby.books.files(C)
    with pytest.raises(UsageError) as caught:
        standby.upgrade()
    assert str(caught.value) == (
        f"{STANDBY}and there is something to run: 003_c. Nothing was changed in the database. "
        f"{PRIMARY}"
    )


def test_stamping_and_reverting_on_a_standby_are_refused_too(standby: Standby) -> None:
    standby.books.upgrade()
    standby.pair.caught_up()
    there = Books(standby.books.project)
    there.__dict__["engine"] = create_engine(standby.url, poolclass=NullPool)
    with pytest.raises(UsageError) as caught:
        there.downgrade("-1")
    assert str(caught.value) == (
        f"{STANDBY}and there is something to run: 002_b. Nothing was changed in the database. "
        f"{PRIMARY}"
    )
    with pytest.raises(UsageError) as caught:
        there.stamp(A)
    assert str(caught.value) == (
        f"{STANDBY}and its bookkeeping tables would have to be written. Nothing was changed in the "
        f"database. {PRIMARY}"
    )


def test_the_url_that_the_message_gives_finds_the_primary(standby: Standby) -> None:
    standby.pair.caught_up()
    primary, name = standby.pair.primary, standby.url.database
    both = (
        f"postgresql://postgres@127.0.0.1:{standby.url.port},127.0.0.1:{primary.port}/{name}"
        "?target_session_attrs=read-write"
    )
    report = bridge.upgrade(both, config=standby.books.project.path / "alembic.ini")
    assert [applied.stem for applied in report.applied] == [A, B]
    assert ask(standby.books.engine, "SELECT pg_is_in_recovery()") is False
