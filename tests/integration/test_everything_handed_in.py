"""An Engine or a Connection that is handed in: migrations run with all that it sets in force.

With a Connection, the files run on that very backend, and leave it as it was.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import QueuePool

from bridge.errors import BridgeError, MigrationError
from support.connections import CONNECTIONS, plain
from support.databases import connect
from support.engines import ENGINES
from support.handed_in import FAILS, STEMS, Place, expected
from support.selection import few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL

#: What tells of a session and must not change.
STATE = """
SELECT pg_backend_pid(), current_user, current_setting('search_path'),
    current_setting('application_name'), nullif(current_setting('app.tenant', true), ''),
    current_setting('transaction_isolation'), to_regclass('pg_temp.mine'),
    (SELECT array_agg(classid ORDER BY classid) FROM pg_locks
      WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 7),
    (SELECT array_agg(name) FROM pg_cursors WHERE is_holdable),
    (SELECT array_agg(name) FROM pg_prepared_statements),
    (SELECT array_agg(channel) FROM pg_listening_channels() AS channel)
"""


@pytest.fixture(scope="module")
def role(server_url: URL) -> Iterator[str]:
    """A role of its own, which is the server's, and not of one database."""
    name = f"app_{secrets.token_hex(4)}"
    admin = connect(server_url)
    admin.cursor().execute(f"CREATE ROLE {name}; GRANT {name} TO CURRENT_USER")
    yield name
    admin.cursor().execute(f"DROP ROLE {name}")
    admin.close()


@pytest.fixture
def place(tmp_path: Path, database_url: URL, role: str) -> Place:
    return Place.made(tmp_path, database_url, role)


@pytest.mark.parametrize("name", ENGINES)
def test_migrations_run_with_what_an_engine_sets(place: Place, name: str) -> None:
    make, sees = ENGINES[name]
    engine = make(place)
    assert place.upgrade(engine) == STEMS
    wanted = expected(place, sees)
    seen = place.ask(f"SELECT * FROM {wanted['schema']}.seen")
    for row in seen:
        assert {key: row[key] for key in wanted} == wanted
    assert len(seen) == len(STEMS)
    # One session for all of a run.
    assert len({row["pid"] for row in seen}) == 1
    assert place.schemas_of(f"made_{STEMS[1]}") == [sees.get("made", wanted["schema"])]
    assert place.recorded_in(wanted["schema"]) == STEMS
    assert_is_as_before(place, engine)


def assert_is_as_before(place: Place, engine: Engine) -> None:
    """The Engine goes on, nothing is locked, and there is nothing to do."""
    assert place.locks() == 0
    assert place.upgrade(engine) == []
    if (taken := getattr(engine.pool, "_taken_by_the_application", None)) is not None:
        assert taken.scalar(text("SELECT 1")) == 1
        taken.close()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_class")) > 0
    engine.dispose()


def test_a_pool_that_cannot_be_made_anew_is_told_or_used(place: Place) -> None:
    """Never is another connection used without a word."""

    class Pool(QueuePool):
        def recreate(self) -> Any:
            raise RuntimeError("this pool cannot be made anew")

    engine = create_engine(
        place.url, poolclass=Pool, connect_args={"options": "-c search_path=ten"}
    )
    try:
        assert place.upgrade(engine) == STEMS
    except BridgeError:
        assert place.schemas_of("seen") == place.schemas_of("schema_migrations") == []
    else:
        assert place.schemas_of("seen") == ["ten"]
        assert place.recorded_in("ten") == STEMS


def state(connection: Connection) -> tuple[Any, ...]:
    found = tuple(connection.exec_driver_sql(STATE).one())
    return (*found, dict(connection.get_execution_options()))


def assert_seen(place: Place, sees: dict[str, Any], pid: int) -> None:
    wanted = expected(place, sees) | {"pid": pid}
    seen = place.ask(f"SELECT * FROM {wanted['schema']}.seen")
    for row in seen:
        assert {key: row[key] for key in wanted} == wanted
    assert len(seen) == len(STEMS)
    assert place.schemas_of(f"made_{STEMS[1]}") == [sees.get("made", wanted["schema"])]
    assert place.recorded_in(wanted["schema"]) == STEMS


@pytest.mark.parametrize("name", CONNECTIONS)
def test_files_run_on_the_very_connection(place: Place, name: str) -> None:
    open_it, sees = CONNECTIONS[name]
    with open_it(place) as connection:
        before = state(connection)
        connection.commit()
        assert place.upgrade(connection) == STEMS
        # Nothing is left open, and nothing has to be committed by the caller.
        assert not connection.in_transaction()
        assert_seen(place, sees, before[0])
        assert state(connection) == before
        connection.rollback()
        assert place.upgrade(connection) == []


def in_begin(connection: Connection) -> None:
    connection.begin()


def in_what_a_statement_began(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


def with_a_savepoint(connection: Connection) -> None:
    connection.begin()
    connection.begin_nested()


BEGUN = [in_begin, in_what_a_statement_began, with_a_savepoint]
#: The most telling ones.
QUICK = {"everything_at_once", "statements_rewritten", "connection_factory"}
#: What is in autocommit has no transaction that could hold it all.
TRANSACTIONAL = [name for name in CONNECTIONS if name != "autocommit"]


@pytest.mark.parametrize("name", few(TRANSACTIONAL, quick=QUICK.__contains__))
def test_files_run_in_the_callers_transaction(place: Place, name: str) -> None:
    open_it, sees = CONNECTIONS[name]
    with open_it(place) as connection:
        with connection.begin():
            before = state(connection)
            assert place.upgrade(connection) == STEMS
            assert place.schemas_of("seen") == place.schemas_of("schema_migrations") == []
            assert state(connection) == before
        assert_seen(place, sees, before[0])


@pytest.mark.parametrize("begun", BEGUN)
def test_the_caller_commits_or_rolls_back(
    place: Place, begun: Callable[[Connection], None]
) -> None:
    with plain(place) as connection:
        for end in (connection.rollback, connection.commit):
            begun(connection)
            assert place.upgrade(connection) == STEMS
            assert connection.in_transaction()
            while connection.in_nested_transaction():
                nested = connection.get_nested_transaction()
                assert nested is not None
                nested.commit()
            end()
            done = end == connection.commit
            assert bool(place.schemas_of("seen")) is done
        assert place.recorded_in("public") == STEMS


@pytest.mark.parametrize("name", few(CONNECTIONS, quick=QUICK.__contains__))
def test_a_file_that_fails_leaves_the_connection_as_it_was(place: Place, name: str) -> None:
    place.project.write("003_fails", FAILS)
    open_it, sees = CONNECTIONS[name]
    with open_it(place) as connection:
        before = state(connection)
        connection.commit()
        with pytest.raises(MigrationError, match="it fails here"):
            place.upgrade(connection)
        assert_seen(place, sees, before[0])
        assert place.schemas_of("failed") == []
        assert state(connection) == before
