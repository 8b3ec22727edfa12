"""What a start with nothing to do costs, and what it must not take for nothing to do."""

from __future__ import annotations

import json
import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.pool import NullPool

import bridge
from bridge.config.settings import Settings
from bridge.database.url import connection_parameters
from bridge.errors import FilesError, LedgerError, LockNotObtained, ServerUnreachable, UsageError
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from bridge.operations.quick_query import is_up_to_date, through_driver, through_engine
from support.running import NOTE_OPENED, ask, do, listened, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL

    from bridge import Report
    from support.project import Project

STEMS = ["001_first", "002_second", "003_third"]


def write(project: Project, stem: str) -> None:
    project.write(
        stem,
        f"""
        from sqlalchemy import text
        def upgrade(db):
            db.execute(text('CREATE TABLE "made_by_{stem}" ()'))
            db.commit()
        """,
    )


@pytest.fixture
def current(project: Project) -> Project:
    """A project whose three migrations are applied."""
    for stem in STEMS:
        write(project, stem)
    assert len(upgrade(project).applied) == len(STEMS)
    return project


def str_of(url: URL | None) -> str:
    assert url is not None
    return url.render_as_string(hide_password=False)


def upgrade(project: Project, *, url: URL | None = None, **options: Any) -> Report:
    return bridge.upgrade(
        str_of(url or project.url), config=project.path / "alembic.ini", **options
    )


def fast(project: Project, engine: Engine, **tables: str) -> bool:
    """What the fast path says, over an Engine as over the driver.

    It must leave its connection usable, and change nothing.
    """
    settings = Settings(folder=str(project.migrations), **tables)  # type: ignore[arg-type]
    with engine.connect() as connection:
        answer = is_up_to_date(through_engine(connection), settings)
        assert not connection.in_transaction()
        assert connection.scalar(text("SELECT 1")) == 1
    with driver_connection(engine.url) as own:
        assert is_up_to_date(through_driver(own), settings) is answer
        assert own.get_transaction_status() == TRANSACTION_STATUS_IDLE
    return answer


@contextmanager
def driver_connection(url: URL) -> Iterator[Any]:
    with closing(psycopg2.connect(**connection_parameters(url))) as own:
        yield own


@dataclass
class Sent:
    """What the driver sends, whoever asks it to: an Engine or the fast path itself."""

    connections: int = 0
    #: Every statement; the driver's own BEGIN too, where it opens a transaction.
    statements: list[str] = field(default_factory=list)


@contextmanager
def sending() -> Iterator[Sent]:
    """What is sent over the connections that are made inside, also after it."""
    sent = Sent()
    connect = psycopg2.connect

    class NotingCursor(psycopg2.extensions.cursor):  # type: ignore[misc]
        def execute(self, query: Any, values: Any = None) -> None:
            status = self.connection.get_transaction_status()
            if status == TRANSACTION_STATUS_IDLE and not self.connection.autocommit:
                sent.statements.append("BEGIN")
            sent.statements.append(" ".join(str(query).split()))
            super().execute(query, values)

    class NotingConnection(psycopg2.extensions.connection):  # type: ignore[misc]
        def cursor(self, *args: Any, **options: Any) -> Any:
            return super().cursor(*args, **{**options, "cursor_factory": NotingCursor})

    def noting(*args: Any, **options: Any) -> Any:
        sent.connections += 1
        return connect(*args, **{**options, "connection_factory": NotingConnection})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg2, "connect", noting)
        yield sent


# What it costs.


#: Starts as a service does, and tells what it has loaded and opened for that.
START = (
    NOTE_OPENED
    + """
way = os.environ["WAY"]
if way.startswith("eai"):
    from bridge.cli import main
    sys.argv[:] = os.path.expandvars(way).split()
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
else:
    import bridge
    {"upgrade": bridge.upgrade, "start": bridge.start}[way](os.environ["DATABASE_URL"])
heavy = {"sqlalchemy", "alembic", "mako", "typer", "pydantic", "rich", "asyncio"}
loaded = sorted(heavy & sys.modules.keys())
folder = os.path.realpath("migrations")
opened = [path for path in opened if os.path.realpath(path).startswith(folder + os.sep)]
print(json.dumps({"loaded": loaded, "opened": opened}))
"""
)

WAYS = [
    "eai migrate",
    "eai migrate -c alembic.ini --database-url $DATABASE_URL --wait-for-lock=60",
    *("upgrade", "start"),
]


def start(project: Project, way: str) -> dict[str, list[str]]:
    done = project.python(START, env={"WAY": way}, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("way", WAYS)
def test_a_start_with_nothing_to_do_imports_no_sqlalchemy_and_opens_no_migration(
    current: Project, way: str
) -> None:
    current.write("__init__", "raise AssertionError")
    current.write("_helpers", "raise AssertionError")
    current.write("notes.txt", "")
    assert start(current, way) == {"loaded": [], "opened": []}


@pytest.mark.parametrize("way", WAYS)
def test_a_start_with_something_to_do_is_seen_to_import_alembic_and_to_open_files(
    current: Project, way: str
) -> None:
    """So that the test above can fail."""
    write(current, "004_fourth")
    told = start(current, way)
    assert {"alembic", "sqlalchemy"} <= set(told["loaded"])
    assert any(path.endswith("004_fourth.py") for path in told["opened"])


def test_a_run_that_applies_something_does_not_load_what_compares_with_models(
    current: Project,
) -> None:
    write(current, "004_fourth")
    told = current.python(
        """
        import os, sys
        import bridge
        print(len(bridge.upgrade(os.environ["DATABASE_URL"]).applied))
        print("bridge.alembic.write" in sys.modules)
        print("bridge.alembic.autogenerate.writer" in sys.modules)
        """,
        check=True,
    )
    assert told.stdout.split() == ["1", "True", "False"]


@pytest.mark.parametrize("driver", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_it_sends_one_query_over_one_connection(current: Project, driver: str) -> None:
    address = str_of(current.url).replace("postgresql+psycopg2", driver)
    with sending() as sent:
        assert bridge.upgrade(address, config=current.path / "alembic.ini").applied == ()
    assert sent.connections == 1
    (query,) = sent.statements
    assert query.startswith("SELECT ")


def test_it_sends_one_query_over_the_connection_that_an_engine_has(
    current: Project, database_url: URL
) -> None:
    with sending() as sent:
        pooled = create_engine(database_url)
        pooled.connect().close()
        sent.connections, sent.statements[:] = 0, []
        assert bridge.upgrade(pooled, config=current.path / "alembic.ini").applied == ()
        pooled.dispose()
    assert sent.connections == 0
    begin, query = sent.statements
    assert begin == "BEGIN"
    assert query.startswith("SELECT ")


@pytest.mark.parametrize("options", [{"isolation_level": "AUTOCOMMIT"}, {"pool_pre_ping": True}])
def test_an_engine_with_options_of_its_own_takes_the_fast_path(
    current: Project, database_url: URL, options: dict[str, Any]
) -> None:
    pooled = create_engine(database_url, **options)
    pooled.connect().close()
    with sending() as sent:
        assert bridge.upgrade(pooled, config=current.path / "alembic.ini").applied == ()
        assert sent.connections == 0
    with pooled.connect() as connection:
        dbapi: Any = connection.connection.dbapi_connection
        assert dbapi.autocommit is (options.get("isolation_level") == "AUTOCOMMIT")
        assert dbapi.get_transaction_status() == TRANSACTION_STATUS_IDLE
    pooled.dispose()


def test_the_events_of_an_engine_choose_what_is_looked_at(current: Project, engine: Engine) -> None:
    """As for a tenant, in whose schema nothing is applied yet."""
    do(engine, "CREATE SCHEMA tenant")
    assert fast(current, engine)
    event.listen(engine, "begin", lambda it: it.exec_driver_sql("SET LOCAL search_path TO tenant"))
    with engine.connect() as connection:
        settings = Settings(folder=str(current.migrations))
        assert not is_up_to_date(through_engine(connection), settings)


def test_a_listener_that_tells_engines_who_they_are_is_heard(
    current: Project, engine: Engine, reader: URL
) -> None:
    grant(engine, reader)

    def give(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["user"], parameters["password"] = reader.username, reader.password

    with listened(Engine, "do_connect", give):
        assert upgrade(current, url=reader.set(username="bridge_nobody")).applied == ()
    with pytest.raises(UsageError, match="bridge_nobody"):
        upgrade(current, url=reader.set(username="bridge_nobody"))


def test_a_server_that_is_not_there_is_tried_once_and_a_role_that_is_not_twice(
    current: Project, engine: Engine
) -> None:
    """The second time over an Engine, whose listeners may know better."""
    with sending() as sent:
        with pytest.raises(ServerUnreachable, match="nothing listens there"):
            upgrade(current, url=make_url("postgresql://app@127.0.0.1:1/app"), wait_for_server=0)
        assert sent.connections == 1
        with pytest.raises(UsageError, match="bridge_nobody"):
            upgrade(current, url=engine.url.set(username="bridge_nobody"))
        assert sent.connections == 3


def test_what_is_told_of_the_database_is_told_once(current: Project) -> None:
    """Also where the driver alone cannot answer."""
    written = current.url
    assert written is not None
    told = f"Database {written.database} on "
    assert current.eai("migrate", check=True).stderr.count(told) == 1
    write(current, "004_fourth")
    assert current.eai("migrate", check=True).stderr.count(told) == 1


def test_eai_migrate_takes_the_fast_path_too(current: Project) -> None:
    """A file that cannot be read as Python goes unnoticed, because none is read."""
    current.write(STEMS[0], "this is not Python")
    done = current.eai("migrate", check=True)
    assert done.stdout == "Nothing to do: the database is up to date.\n"


def test_it_takes_no_lock_and_waits_for_nobody(current: Project, engine: Engine) -> None:
    with engine.begin() as other:
        other.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {MIGRATION_LOCK})"))
        assert upgrade(current, wait_for_lock=0).applied == ()
        write(current, "004_fourth")
        with pytest.raises(LockNotObtained):
            upgrade(current, wait_for_lock=0)


@pytest.fixture
def reader(engine: Engine) -> Iterator[URL]:
    """A role that may connect, and read the two tables once they are granted to it."""
    name = f"bridge_reader_{secrets.token_hex(4)}"
    database = engine.url.database
    do(
        engine,
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    yield engine.url.set(username=name, password="secret")
    do(engine, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def grant(engine: Engine, url: URL) -> None:
    do(engine, f"GRANT SELECT ON schema_migrations, alembic_version TO {url.username}")


def test_a_role_that_may_only_read_the_two_tables_can_start(
    current: Project, engine: Engine, reader: URL
) -> None:
    grant(engine, reader)
    assert upgrade(current, url=reader).applied == ()
    write(current, "004_fourth")
    with pytest.raises(LedgerError, match="This role may not write what a run records"):
        upgrade(current, url=reader)
    assert recorded(engine) == STEMS


def test_a_role_that_may_not_even_read_is_told_so(
    current: Project, engine: Engine, reader: URL
) -> None:
    assert not fast(current, create_engine(reader, poolclass=NullPool))
    with pytest.raises(LedgerError, match="permission denied for table"):
        upgrade(current, url=reader)


def test_a_read_only_database_is_no_hindrance(current: Project, engine: Engine) -> None:
    do(engine, f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
    assert upgrade(current).applied == ()
    write(current, "004_fourth")
    with pytest.raises(bridge.BridgeError, match="This connection may only read"):
        upgrade(current)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM schema_migrations")) == len(STEMS)


def test_it_says_yes_after_an_upgrade_and_after_a_late_file(
    current: Project, engine: Engine
) -> None:
    """The late one is the last that was applied, and so where the pointer stands."""
    assert fast(current, engine)
    write(current, "002_and_a_half")
    assert not fast(current, engine)
    assert [each.stem for each in upgrade(current).applied] == ["002_and_a_half"]
    assert fast(current, engine)


def test_it_says_yes_where_the_old_runners_table_was_adopted(
    project: Project, engine: Engine
) -> None:
    do(
        engine,
        "CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY, "
        "applied_at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP, description TEXT)",
        "INSERT INTO schema_migrations (version) VALUES ('001_first')",
    )
    write(project, "001_first")
    assert not fast(project, engine)
    assert upgrade(project).applied == ()
    assert fast(project, engine)


def test_it_knows_tables_of_another_name_in_another_schema(
    project: Project, engine: Engine
) -> None:
    do(engine, 'CREATE SCHEMA "Books"')
    project.ini(extra="version_table_schema = Books\nversion_table = v\nledger_table = My Rows\n")
    write(project, "001_first")
    assert len(upgrade(project).applied) == 1
    tables = {"ledger_table": "My Rows", "version_table": "v", "version_table_schema": "Books"}
    assert fast(project, engine, **tables)
    assert not fast(project, engine)
    with sending() as sent:
        assert upgrade(project).applied == ()
    assert len(sent.statements) == 1


def test_names_that_sort_otherwise_in_the_databases_language_are_no_hindrance(
    project: Project, engine: Engine
) -> None:
    """The same instant for all, as in one transaction of the old runner's."""
    stems = ["001_B", "001_a", "001_ä"]
    for stem in stems:
        write(project, stem)
    upgrade(project)
    do(engine, "UPDATE schema_migrations SET applied_at = now()")
    assert fast(project, engine)
    # A server that was built without ICU knows no other order.
    if ask(engine, "SELECT true FROM pg_collation WHERE collname = 'und-x-icu'"):
        kind = 'varchar(255) COLLATE "und-x-icu"'
        do(engine, f"ALTER TABLE schema_migrations ALTER version TYPE {kind}")
    assert fast(project, engine)


# What it leaves to the whole procedure.


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DELETE FROM schema_migrations WHERE version = '002_second'", id="row gone"),
        pytest.param(
            "INSERT INTO schema_migrations (version) VALUES ('004_newer')", id="unknown row"
        ),
        pytest.param(
            "UPDATE schema_migrations SET version = '002_other' WHERE version = '002_second'",
            id="another name",
        ),
        pytest.param("UPDATE schema_migrations SET version = upper(version)", id="spelling"),
        pytest.param("DELETE FROM schema_migrations", id="no row"),
        pytest.param("DROP TABLE schema_migrations", id="no ledger"),
        pytest.param("ALTER TABLE schema_migrations DROP applied_at", id="no applied_at"),
        pytest.param("ALTER TABLE schema_migrations RENAME version TO name", id="no version"),
        *(
            pytest.param(
                f"ALTER TABLE schema_migrations ADD {name} TEXT", id=f"perhaps no success: {name}"
            )
            for name in ("success", "status", "rolled_back_at", "direction")
        ),
        pytest.param("DELETE FROM alembic_version", id="no pointer"),
        pytest.param("DROP TABLE alembic_version", id="no version table"),
        pytest.param("UPDATE alembic_version SET version_num = '002_second'", id="pointer behind"),
        pytest.param("UPDATE alembic_version SET version_num = '004_newer'", id="pointer ahead"),
        pytest.param("INSERT INTO alembic_version VALUES ('002_second')", id="two pointers"),
        pytest.param(
            "ALTER TABLE schema_migrations ALTER applied_at DROP NOT NULL; "
            "UPDATE schema_migrations SET applied_at = NULL WHERE version = '001_first'",
            id="one without applied_at",
        ),
        pytest.param(
            "ALTER TABLE schema_migrations ALTER applied_at DROP NOT NULL; "
            "UPDATE schema_migrations SET applied_at = NULL",
            id="none has applied_at",
        ),
        pytest.param(
            "UPDATE schema_migrations SET applied_at = now() + interval '1 day' "
            "WHERE version = '001_first'",
            id="another order",
        ),
        pytest.param("ALTER SCHEMA public RENAME TO elsewhere", id="another schema"),
        pytest.param(
            "ALTER TABLE schema_migrations DROP CONSTRAINT schema_migrations_pkey; "
            "ALTER TABLE schema_migrations ALTER version DROP NOT NULL; "
            "ALTER TABLE schema_migrations ALTER applied_at DROP NOT NULL; "
            "INSERT INTO schema_migrations VALUES (NULL, NULL)",
            id="a row that says nothing",
        ),
        pytest.param(
            "DELETE FROM schema_migrations WHERE version < '003'; "
            "INSERT INTO schema_migrations VALUES ('001_first/002_second', '2001-01-01')",
            id="two names in one row",
        ),
    ],
)
def test_it_does_not_call_up_to_date_what_is_not_plainly_so(
    current: Project, engine: Engine, statement: str
) -> None:
    assert fast(current, engine)
    do(engine, *statement.split("; "))
    assert not fast(current, engine)


@pytest.mark.parametrize(
    "name", ["004_fourth", "000_zeroth", "002_and_a_half", "1000_far", "002_second_"]
)
def test_a_pending_file_is_not_overlooked_whatever_its_number(
    current: Project, engine: Engine, name: str
) -> None:
    write(current, name)
    assert not fast(current, engine)


def test_a_file_that_is_gone_is_not_overlooked(current: Project, engine: Engine) -> None:
    current.remove(STEMS[1])
    assert not fast(current, engine)


def test_a_renamed_file_is_not_overlooked(current: Project, engine: Engine) -> None:
    file = current.migrations / "002_second.py"
    file.rename(file.with_name("002_seconds.py"))
    assert not fast(current, engine)


def test_a_folder_without_migrations_is_not_up_to_date(current: Project, engine: Engine) -> None:
    for stem in STEMS:
        current.remove(stem)
    assert not fast(current, engine)
    with pytest.raises(LedgerError, match="The folder holds no migration at all"):
        upgrade(current)


def test_a_new_database_is_not_up_to_date(project: Project, engine: Engine) -> None:
    write(project, STEMS[0])
    assert not fast(project, engine)


def test_a_missing_folder_is_not_up_to_date(current: Project, tmp_path: Path) -> None:
    current.migrations.rename(tmp_path / "elsewhere")
    with pytest.raises(FilesError, match="migrations"):
        upgrade(current)


def test_an_unnumbered_file_that_defines_upgrade_is_refused_at_every_start(
    current: Project, engine: Engine
) -> None:
    current.write("fourth", "def upgrade(db): ...")
    with pytest.raises(FilesError, match=r"fourth\.py"):
        fast(current, engine)
    with pytest.raises(FilesError, match=r"fourth\.py"):
        upgrade(current)


def test_an_unnumbered_file_that_defines_no_upgrade_is_no_hindrance(
    current: Project, engine: Engine
) -> None:
    current.write("helpers", "def other(): ...")
    assert fast(current, engine)


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_what_it_left_to_the_whole_procedure_is_mended_and_then_fast(
    current: Project, engine: Engine, statement: str
) -> None:
    do(engine, statement)
    assert upgrade(current).applied == ()
    assert fast(current, engine)


def test_a_table_that_the_old_runner_made_anew_is_adopted_though_the_pointer_agrees(
    current: Project, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
            CREATE TABLE remade AS SELECT version, applied_at, description FROM schema_migrations;
            DROP TABLE schema_migrations;
            ALTER TABLE remade RENAME TO schema_migrations
        """)
        )
    assert not fast(current, engine)
    assert upgrade(current).applied == ()
    assert fast(current, engine)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(checksum) FROM schema_migrations")) == 3


def test_a_row_that_was_deleted_is_run_again_also_when_it_is_the_last(
    current: Project, engine: Engine
) -> None:
    do(engine, "DELETE FROM schema_migrations WHERE version = '003_third'")
    do(engine, 'DROP TABLE "made_by_003_third"')
    assert [each.stem for each in upgrade(current).applied] == ["003_third"]


@pytest.mark.parametrize("to", ["003_third", "002"])
def test_a_target_is_left_to_the_whole_procedure(current: Project, to: str) -> None:
    with sending() as sent:
        assert upgrade(current, to=to).applied == ()
    assert any("pg_try_advisory" in statement for statement in sent.statements)


def test_a_connection_that_was_cut_is_not_up_to_date(current: Project, engine: Engine) -> None:
    settings = Settings(folder=str(current.migrations))
    with engine.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.rollback()
        do(engine, f"SELECT pg_terminate_backend({pid}, 5000)")
        assert not is_up_to_date(through_engine(connection), settings)
    with driver_connection(engine.url) as own:
        do(engine, f"SELECT pg_terminate_backend({own.info.backend_pid}, 5000)")
        assert not is_up_to_date(through_driver(own), settings)
