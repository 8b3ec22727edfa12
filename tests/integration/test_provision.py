"""A new tenant: its schema or its database is made, with all that the migrations make in it."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

import bridge
from bridge.errors import BridgeError, FilesError, LedgerError, MigrationError, UsageError
from bridge.reporting import events
from bridge.reporting.reporter import Reporter
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

    from support.project import Project

HANDED_IN: dict[str, Callable[[Tenants], Any]] = {
    "url": lambda tenants: tenants.project.url,
    "engine": lambda tenants: tenants.engine,
    "connection": lambda tenants: tenants.engine.connect(),
}
BROKEN = "description = 'Broken'\n\n\ndef upgrade(db):\n    raise RuntimeError('no')\n"


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project)
    tenants.files("001_one", "002_two")
    return tenants


@pytest.fixture(params=HANDED_IN)
def database(request: pytest.FixtureRequest, tenants: Tenants) -> Any:
    return HANDED_IN[request.param](tenants)


def make(tenants: Tenants, target: Any, database: Any = None, **how: Any) -> list[str]:
    """Provision, and return what was applied."""
    given = tenants.project.url if database is None else database
    report = bridge.provision(target, given, **tenants.where, **how)
    return [each.stem for each in report.applied]


def schemas(tenants: Tenants) -> list[str]:
    question = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information' ORDER BY 1"
    return [name for name in tenants.ask(question) if name != "public"]


class Sentences(Reporter):
    """Keeps the sentences that a person reads."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, event: events.Event) -> None:
        if isinstance(event, events.Sentence):
            self.told.append(event.message)


@contextmanager
def role(tenants: Tenants) -> Iterator[URL]:
    """The URL of a role that may connect, and nothing else."""
    name = f"modest_{secrets.token_hex(4)}"
    tenants.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    assert tenants.project.url is not None
    yield tenants.project.url.set(username=name, password="secret")
    tenants.execute(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@contextmanager
def other_database(tenants: Tenants) -> Iterator[tuple[str, str]]:
    """The name of a database that is not there, and its URL; it is dropped at the end."""
    name = f'New "x" {secrets.token_hex(4)}'
    assert tenants.project.url is not None
    yield name, tenants.project.url.set(database=name).render_as_string(hide_password=False)
    engine = tenants.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        quoted = name.replace('"', '""')
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE)')


@pytest.mark.parametrize("name", ["acme", 'Ä"x y', "Select", "a" * 63, "%s"])
def test_a_new_tenant_gets_a_schema_with_its_tables_and_its_records(
    tenants: Tenants, database: Any, name: str
) -> None:
    recording = Sentences()
    assert make(tenants, name, database, reporter=recording) == ["001_one", "002_two"]
    assert f"The schema {name} is new." in recording.told
    assert (tenants.tables(name), tenants.rows(name)) == (["one", "two"], ["001_one", "002_two"])
    assert tenants.tables("public") == []
    assert bridge.status(database, target=name, **tenants.where).up_to_date


def test_a_tenant_that_is_there_is_brought_up_to_date(tenants: Tenants, database: Any) -> None:
    assert make(tenants, "acme", database) == ["001_one", "002_two"]
    recording = Sentences()
    assert make(tenants, "acme", database, reporter=recording) == []
    tenants.files("003_three")
    assert make(tenants, "acme", database, reporter=recording) == ["003_three"]
    assert "The schema acme is new." not in recording.told


def test_an_empty_schema_is_filled(tenants: Tenants, database: Any) -> None:
    tenants.schemas("acme")
    assert make(tenants, "acme", database) == ["001_one", "002_two"]


def test_a_folder_that_is_refused_leaves_no_schema(tenants: Tenants, database: Any) -> None:
    tenants.project.write("002_two", "description = 'No upgrade'\n")
    with pytest.raises(FilesError):
        make(tenants, "acme", database)
    assert schemas(tenants) == []


def test_after_a_file_that_failed_the_same_call_goes_on(tenants: Tenants, database: Any) -> None:
    tenants.project.write("002_two", BROKEN)
    with pytest.raises(MigrationError):
        make(tenants, "acme", database)
    assert tenants.rows("acme") == ["001_one"]
    tenants.files("002_two")
    assert make(tenants, "acme", database) == ["002_two"]


def test_in_a_transaction_of_the_caller_the_schema_goes_with_it(tenants: Tenants) -> None:
    with tenants.engine.connect() as connection:
        transaction = connection.begin()
        assert make(tenants, "acme", connection) == ["001_one", "002_two"]
        transaction.rollback()
    assert schemas(tenants) == []
    with tenants.engine.begin() as connection:
        make(tenants, "acme", connection)
    assert tenants.tables("acme") == ["one", "two"]


def test_under_an_event_loop_it_is_the_same(tenants: Tenants) -> None:
    report = asyncio.run(bridge.provision_async("acme", tenants.project.url, **tenants.where))
    assert [each.stem for each in report.applied] == ["001_one", "002_two"]
    assert tenants.tables("acme") == ["one", "two"]


def test_what_upgrade_refuses_names_the_command(tenants: Tenants) -> None:
    with pytest.raises(UsageError) as caught:
        bridge.upgrade(tenants.project.url, target="a b", **tenants.where)
    assert str(caught.value) == (
        'The target a b has no schema "a b" in this database. Nothing was run, and no schema is '
        "made for a name that may be a slip. If it is a new tenant, type: eai migrate -n tenants "
        "provision 'a b'"
    )


def test_a_tenant_that_the_list_lacks_is_made_and_that_is_told(project: Project) -> None:
    tenants = Tenants.of(project, "targets_query = SELECT name FROM public.tenants")
    tenants.files("001_one")
    tenants.execute("CREATE TABLE tenants (name text)")
    recording = Sentences()
    assert make(tenants, "acme", reporter=recording) == ["001_one"]
    told = (
        "The list of targets in [tenants] does not have the target acme yet. No --all reaches it "
        "before it does."
    )
    assert told in recording.told
    tenants.execute("INSERT INTO tenants VALUES ('acme'), ('beta')")
    recording = Sentences()
    assert make(tenants, "beta", reporter=recording) == ["001_one"]
    assert told.replace("acme", "beta") not in recording.told


def test_a_tenant_that_the_list_has_as_soon_as_it_is_made_is_no_surprise(project: Project) -> None:
    tenants = Tenants.numbered(project, [])
    recording = Sentences()
    assert make(tenants, "t1", reporter=recording) == ["001_one", "002_two"]
    assert not [each for each in recording.told if "The list of targets" in each]


def test_a_name_that_a_list_of_databases_lacks_becomes_no_schema(project: Project) -> None:
    tenants = Tenants.of(project, "targets_query = VALUES ('acme', 'postgresql:///acme')")
    tenants.files("001_one")
    with pytest.raises(UsageError) as caught:
        make(tenants, "amce")
    assert str(caught.value) == (
        "There is no target 'amce' in the list of targets, and some of those have URLs. Nothing "
        "was made. Put it into the list with its own, and type the same command again."
    )
    assert schemas(tenants) == []


def test_a_role_that_may_make_no_schema_is_told_what_to_do(tenants: Tenants) -> None:
    with role(tenants) as url:
        with pytest.raises(LedgerError) as caught:
            make(tenants, "acme", url)
        assert url.database is not None
        assert str(caught.value) == (
            "The schema acme of the target acme cannot be made by this role: permission denied for "
            f"database {url.database}. Nothing was run. Set MIGRATION_DATABASE_URL to a role that "
            "may (GRANT CREATE ON DATABASE), or let one make the schema for this role: CREATE "
            "SCHEMA acme AUTHORIZATION …; then type this command again."
        )
        tenants.execute(f"CREATE SCHEMA acme AUTHORIZATION {url.username}")
        assert make(tenants, "acme", url) == ["001_one", "002_two"]


@pytest.mark.parametrize("schema", [None, "inner"])
def test_a_new_tenant_with_a_url_gets_its_database(tenants: Tenants, schema: str | None) -> None:
    with other_database(tenants) as (name, url):
        target = bridge.Target("acme", url=url, schema=schema)
        recording = Sentences()
        report = bridge.provision(target, reporter=recording, **tenants.where)
        assert [each.stem for each in report.applied] == ["001_one", "002_two"]
        assert f"The database {name} is new." in recording.told
        assert bridge.provision(target, **tenants.where).applied == ()
        with create_engine(make_url(url), poolclass=NullPool).connect() as connection:
            where = (
                "SELECT schemaname FROM pg_tables WHERE tablename IN ('one', 'schema_migrations')"
            )
            found = connection.exec_driver_sql(where).scalars().all()
        assert set(found) == {schema or "public"}


def test_a_role_that_may_make_no_database_is_told_what_to_do(tenants: Tenants) -> None:
    with role(tenants) as modest, other_database(tenants) as (name, _):
        url = modest.set(database=name).render_as_string(hide_password=False)
        with pytest.raises(BridgeError) as caught:
            bridge.provision(bridge.Target("acme", url=url), **tenants.where)
    quoted = name.replace('"', '""')
    assert str(caught.value) == (
        f'The target acme has no database "{quoted}", and it cannot be made: permission denied to '
        "create database. Nothing was made. Its role must be allowed to create databases (ALTER "
        "ROLE … CREATEDB) and to connect to postgres; or make the database by hand, and type the "
        "same command again."
    )


def test_status_of_all_names_the_command_for_a_missing_schema(
    project: Project,
) -> None:
    tenants = Tenants.of(project, "targets_query = VALUES ('acme')")
    tenants.files("001_one")
    [found] = bridge.status_all(database=tenants.project.url, **tenants.where).targets
    assert found.message.endswith("If it is a new tenant, type: eai migrate provision acme")
