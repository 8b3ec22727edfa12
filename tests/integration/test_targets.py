"""One target of many: its search_path and its records, in whatever is handed in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

import bridge
from bridge.database.embedded.programs import find_program
from bridge.database.request import Request
from bridge.database.target_list import find_target, listed_targets
from bridge.errors import LedgerError, MigrationError, UsageError
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from support.project import Project

#: Names that need quotes, are words of SQL, or are as long as PostgreSQL keeps.
NAMES = ["acme", 'Ä"x y\\z', "Select", "a" * 63, "ü" * 31, "a.b", "public, x", "%s"]

HANDED_IN: dict[str, Callable[[Tenants], Any]] = {
    "url": lambda tenants: tenants.project.url,
    "engine": lambda tenants: tenants.engine,
    "connection": lambda tenants: tenants.engine.connect(),
}


@pytest.fixture
def tenants(project: Project) -> Tenants:
    return Tenants.of(project)


@pytest.fixture(params=HANDED_IN)
def database(request: pytest.FixtureRequest, tenants: Tenants) -> Any:
    return HANDED_IN[request.param](tenants)


@pytest.mark.parametrize("name", NAMES)
def test_a_target_gets_its_tables_and_its_records_in_its_schema(
    tenants: Tenants, database: Any, name: str
) -> None:
    tenants.schemas(name)
    tenants.files("001_one", "002_two")
    report = bridge.upgrade(database, target=name, **tenants.where)
    assert [each.stem for each in report.applied] == ["001_one", "002_two"]
    assert tenants.tables(name) == ["one", "two"]
    assert tenants.rows(name) == ["001_one", "002_two"]
    assert tenants.tables("public") == []
    assert bridge.upgrade(database, target=name, **tenants.where).applied == ()
    assert bridge.status(database, target=name, **tenants.where).up_to_date


def test_a_ledger_in_public_does_not_stand_for_that_of_a_tenant(
    tenants: Tenants, database: Any
) -> None:
    tenants.files("001_one")
    assert tenants.project.url is not None
    bridge.upgrade(tenants.project.url, **tenants.where)
    tenants.schemas("acme", "beta")
    for name in ("acme", "beta"):
        assert bridge.status(database, target=name, **tenants.where).pending == ("001_one",)
        bridge.upgrade(database, target=name, **tenants.where)
    tenants.files("002_two")
    for name in ("acme", "beta"):
        bridge.upgrade(database, target=name, **tenants.where)
    assert (tenants.tables("acme"), tenants.tables("beta")) == (["one", "two"], ["one", "two"])
    assert tenants.tables("public") == ["one"]


def test_a_connection_keeps_its_own_search_path(tenants: Tenants) -> None:
    tenants.schemas("acme")
    tenants.files("001_one")
    with tenants.engine.connect() as connection:
        connection.execute(text("SET search_path = pg_catalog"))
        connection.commit()
        bridge.upgrade(connection, target="acme", **tenants.where)
        bridge.status(connection, target="acme", **tenants.where)
        assert connection.scalar(text("SHOW search_path")) == "pg_catalog"
    assert tenants.tables("acme") == ["one"]


def test_a_transaction_of_the_callers_keeps_its_own_search_path(tenants: Tenants) -> None:
    tenants.schemas("acme")
    tenants.files("001_one")
    with tenants.engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path = pg_catalog"))
        bridge.upgrade(connection, target="acme", **tenants.where)
        assert connection.scalar(text("SHOW search_path")) == "pg_catalog"
    assert tenants.rows("acme") == ["001_one"]


def test_a_file_that_changes_the_search_path_changes_it_for_itself(
    tenants: Tenants, database: Any
) -> None:
    tenants.schemas("acme", "beta")
    tenants.files("002_two")
    tenants.project.write(
        "001_one",
        """
        from sqlalchemy import event, text

        description = "one"


        def upgrade(db):
            db.execute(text("SET search_path = beta"))
            db.execute(text("CREATE TABLE one (id bigint)"))
            db.commit()
        """,
    )
    bridge.upgrade(database, target="acme", **tenants.where)
    assert (tenants.tables("acme"), tenants.tables("beta")) == (["two"], ["one"])
    assert tenants.rows("acme") == ["001_one", "002_two"]


@pytest.mark.parametrize("function", [bridge.upgrade, bridge.status, bridge.start])
def test_a_schema_that_is_not_there_is_not_made(
    tenants: Tenants, database: Any, function: Any
) -> None:
    tenants.files("001_one")
    with pytest.raises(UsageError) as caught:
        function(database, target="gone", **tenants.where)
    assert str(caught.value) == (
        "The target gone has no schema gone in this database. Nothing was run, and no schema is "
        "made for a name that may be a slip. If it is a new tenant, type: eai migrate -n "
        "tenants provision gone"
    )
    assert tenants.ask("SELECT 1 FROM pg_namespace WHERE nspname = 'gone'") == []
    assert tenants.tables("public") == []


def test_a_schema_that_the_role_may_not_use_is_refused(tenants: Tenants) -> None:
    tenants.schemas("acme")
    tenants.files("001_one")
    with tenants.engine.connect() as connection:
        connection.execute(text("CREATE ROLE tenant_guest"))
        connection.execute(text("GRANT CREATE ON SCHEMA public TO tenant_guest"))
        connection.execute(text("SET ROLE tenant_guest"))
        connection.commit()
        try:
            with pytest.raises(
                LedgerError, match=r"denied for schema acme\. Nothing was run\. Grant"
            ):
                bridge.upgrade(connection, target="acme", **tenants.where)
        finally:
            connection.execute(text("RESET ROLE"))
            connection.execute(text("DROP OWNED BY tenant_guest"))
            connection.execute(text("DROP ROLE tenant_guest"))
            connection.commit()
    assert tenants.tables("public") == []


def test_an_engine_that_sets_another_search_path_is_refused(tenants: Tenants) -> None:
    tenants.schemas("acme")
    tenants.files("001_one")
    engine = tenants.engine
    event.listen(engine, "begin", lambda each: each.exec_driver_sql("SET search_path = public"))
    with pytest.raises(UsageError) as caught:
        bridge.upgrade(engine, target="acme", **tenants.where)
    assert str(caught.value) == (
        "The target acme has the schema acme, but this connection makes its tables in public. "
        "Nothing was run. Something sets the search_path after bridge has set it, such as a "
        "listener of the Engine that was handed in: take that away, or hand in a URL."
    )
    assert tenants.tables("public") == []


def test_a_database_of_its_own_is_a_target(
    tenants: Tenants, create_database: Callable[[], URL]
) -> None:
    tenants.files("001_one")
    url = create_database().render_as_string(hide_password=False)
    bridge.upgrade(target=bridge.Target("acme", url=url), **tenants.where)
    assert bridge.status(url, **tenants.where).up_to_date
    assert tenants.tables("public") == []


def test_a_schema_of_another_database_is_a_target(
    tenants: Tenants, create_database: Callable[[], URL]
) -> None:
    tenants.files("001_one")
    url = create_database()
    other = Tenants(type(tenants.project)(tenants.project.path, url))
    other.schemas("acme")
    target = bridge.Target("a", schema="acme", url=url.render_as_string(hide_password=False))
    bridge.upgrade(target=target, **tenants.where)
    assert (other.tables("acme"), other.rows("acme")) == (["one"], ["001_one"])


def test_a_target_with_a_url_and_another_database_are_two(
    tenants: Tenants, database: Any, create_database: Callable[[], URL]
) -> None:
    tenants.files("001_one")
    url = create_database().render_as_string(hide_password=False)
    with pytest.raises(UsageError, match="and the target acme name two databases: leave the first"):
        bridge.upgrade(database, target=bridge.Target("acme", url=url), **tenants.where)
    assert tenants.tables("public") == []


@pytest.mark.parametrize("function", [bridge.upgrade, bridge.status, bridge.start])
def test_a_section_with_targets_never_means_the_database_as_a_whole(
    project: Project, function: Any
) -> None:
    tenants = Tenants.of(project, "targets_query = SELECT 'acme'")
    tenants.files("001_one")
    for handed_in in HANDED_IN.values():
        with pytest.raises(UsageError) as caught:
            function(handed_in(tenants), **tenants.where)
        assert str(caught.value) == (
            "The section [tenants] is for many targets, and none was named. Nothing was started. "
            "Name one with --target NAME (under alembic: -x target=NAME; in a program: target=), "
            "or all of them with --all. The database as a whole has a section of its own, named "
            "by -n, BRIDGE_SECTION or section=."
        )
    assert tenants.tables("public") == []


def test_a_query_lists_targets(project: Project) -> None:
    tenants = Tenants.of(
        project,
        "targets_query = SELECT name, url FROM tenant ORDER BY name",
    )
    tenants.execute(
        "CREATE TABLE tenant (name text, url text)",
        "INSERT INTO tenant VALUES ('a', NULL), ('b', 'postgresql://h/b')",
    )
    request = Request(database=project.url, **tenants.where)
    found = listed_targets(request, request.settings())
    assert found == (bridge.Target("a"), bridge.Target("b", url="postgresql://h/b"))
    assert find_target(request, "a") == bridge.Target("a")


def test_a_query_that_fails_is_told(project: Project) -> None:
    tenants = Tenants.of(project, "targets_query = SELECT name FROM tenant")
    request = Request(database=project.url, **tenants.where)
    with pytest.raises(UsageError) as caught:
        find_target(request, "a")
    assert str(caught.value) == (
        'targets_query in [tenants] failed: relation "tenant" does not exist. Nothing was started.'
    )


def test_a_query_may_write_nothing(project: Project) -> None:
    tenants = Tenants.of(project, "targets_query = INSERT INTO tenant VALUES ('a') RETURNING name")
    tenants.execute("CREATE TABLE tenant (name text)")
    request = Request(database=project.url, **tenants.where)
    with pytest.raises(UsageError, match="in a read-only transaction"):
        find_target(request, "a")


@pytest.mark.parametrize("name", ["target", "tenant"])
def test_alembic_takes_a_target_as_in_its_cookbook(tenants: Tenants, name: str) -> None:
    tenants.schemas("acme")
    tenants.files("001_one")
    x = ("-n", "tenants", "-x", f"{name}=acme")
    tenants.project.alembic(*x, "upgrade", "head", check=True)
    assert "001_one (head)" in tenants.project.alembic(*x, "current", check=True).stdout
    assert tenants.tables("acme") == ["one"]
    tenants.project.alembic(*x, "downgrade", "base", check=True)
    assert (tenants.tables("acme"), tenants.rows("acme")) == ([], [])


def test_alembic_takes_one_target(tenants: Tenants) -> None:
    tenants.files("001_one")
    done = tenants.project.alembic("-x", "target=a", "-x", "target=b", "-n", "tenants", "current")
    assert done.returncode != 0
    assert (
        "-x names several targets: a, b. Nothing was started. Name one; `eai migrate` takes "
        "several." in done.stderr
    )


def test_a_script_is_one_for_its_target(tenants: Tenants) -> None:
    tenants.schemas("acme", "beta")
    tenants.files("001_one", "003_three")
    tenants.project.write(
        "002_two",
        """
        from sqlalchemy import event, text

        description = "two"


        def upgrade(db):
            db.execute(text("SET search_path = beta"))
            db.execute(text("CREATE TABLE two (id bigint)"))
            db.commit()
        """,
    )
    x = ("-n", "tenants", "-x", "target=acme")
    script = tenants.project.alembic(*x, "upgrade", "head", "--sql", check=True).stdout
    with tenants.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver: Any = connection.connection.dbapi_connection
        with driver.cursor() as cursor:
            cursor.execute(script)
    assert (tenants.tables("acme"), tenants.tables("beta")) == (["one", "three"], ["two"])
    assert tenants.rows("acme") == ["001_one", "002_two", "003_three"]


INDEX = """
from sqlalchemy import text

transaction = "autocommit"


def upgrade(db):
    db.execute(text("{before}"))
    db.execute(text("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON {table} (id)"))
"""


def unfinished(tenants: Tenants, *names: str) -> None:
    """Let these schemas have an index `i` that was not finished, as a duplicate leaves it."""
    for name in names:
        tenants.execute(f"INSERT INTO {name}.one VALUES (1), (1)")
        with (
            tenants.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
            pytest.raises(IntegrityError),
        ):
            connection.exec_driver_sql(f"CREATE UNIQUE INDEX CONCURRENTLY i ON {name}.one (id)")


UNFINISHED = pytest.mark.parametrize(
    ("before", "table", "is_refused"),
    [
        ("SELECT 1", "one", False),
        ("SELECT 1", "beta.one", True),
        ("SET search_path = beta", "one", True),
    ],
)


def make_unfinished_beside_acme(tenants: Tenants, before: str, table: str) -> None:
    """Leave an index of `beta` unfinished, and write a file that makes one of that name."""
    tenants.files("001_one")
    tenants.schemas("acme", "beta")
    for name in ("acme", "beta"):
        bridge.upgrade(tenants.project.url, target=name, **tenants.where)
    unfinished(tenants, "beta")
    tenants.project.write("002_index", INDEX.format(before=before, table=table))


@UNFINISHED
def test_an_index_that_another_target_has_not_finished_is_none_of_a_script(
    tenants: Tenants, before: str, table: str, is_refused: bool
) -> None:
    make_unfinished_beside_acme(tenants, before, table)
    x = ("-n", "tenants", "-x", "target=acme")
    script = tenants.project.alembic(*x, "upgrade", "001:head", "--sql", check=True).stdout
    url = tenants.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    psql = (find_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", url)
    done = subprocess.run(psql, input=script, capture_output=True, text=True, check=False)
    assert ("INVALID index: beta.i. " in done.stderr) == is_refused, done.stderr
    expected = ["001_one"] if is_refused else ["001_one", "002_index"]
    assert tenants.rows("acme") == expected


@UNFINISHED
def test_an_index_that_another_target_has_not_finished_is_none_of_a_run(
    tenants: Tenants, before: str, table: str, is_refused: bool
) -> None:
    make_unfinished_beside_acme(tenants, before, table)
    if is_refused:
        with pytest.raises(MigrationError, match=r"The index (beta\.)?i is INVALID"):
            bridge.upgrade(tenants.project.url, target="acme", **tenants.where)
    else:
        bridge.upgrade(tenants.project.url, target="acme", **tenants.where)
    expected = ["001_one"] if is_refused else ["001_one", "002_index"]
    assert tenants.rows("acme") == expected


def test_the_own_index_that_was_not_finished_is_named(tenants: Tenants) -> None:
    tenants.files("001_one")
    tenants.schemas("acme")
    bridge.upgrade(tenants.project.url, target="acme", **tenants.where)
    unfinished(tenants, "acme")
    tenants.project.write("002_index", INDEX.format(before="SELECT 1", table="one"))
    with pytest.raises(MigrationError, match=r"The index i is INVALID"):
        bridge.upgrade(tenants.project.url, target="acme", **tenants.where)


def test_a_section_that_is_not_there_is_named(tenants: Tenants) -> None:
    with pytest.raises(UsageError) as caught:
        bridge.upgrade(tenants.project.url, config=tenants.config, section="tenant")
    assert str(caught.value) == (
        f"The configuration {tenants.config} has no [tenant] section, which -n, BRIDGE_SECTION "
        "or section= names. Nothing was started."
    )


def test_a_variable_names_the_section(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants.files("001_one")
    monkeypatch.setenv("BRIDGE_SECTION", "tenants")
    report = bridge.upgrade(tenants.project.url, config=tenants.config)
    assert [each.stem for each in report.applied] == ["001_one"]
