from __future__ import annotations

import secrets
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError
from bridge.ledger.definition import ensure_ledger, widen_version_table
from bridge.ledger.history import Row, in_applied_order
from bridge.ledger.read import read_tables
from bridge.ledger.records import record_applied, record_unapplied, set_pointer
from bridge.ledger.state import Elsewhere
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

OLD_RUNNERS = """
    CREATE TABLE schema_migrations (
        version VARCHAR(255) PRIMARY KEY,
        applied_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
        description TEXT
    )
"""
LEDGER = Ledger()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def columns(connection: Connection, table: str = "schema_migrations") -> list[tuple[Any, ...]]:
    found = connection.execute(
        text(
            "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default "
            "FROM information_schema.columns WHERE table_name = :table ORDER BY ordinal_position"
        ),
        {"table": table},
    )
    return [tuple(row) for row in found]


def record(connection: Connection, *stems: str, ledger: Ledger = LEDGER) -> None:
    layout = ensure_ledger(connection, ledger)
    for stem in stems:
        record_applied(connection, ledger, layout, Row(version=stem, description=f"About {stem}"))


def order(connection: Connection, ledger: Ledger = LEDGER) -> list[str]:
    state = read_tables(connection, ledger)
    rows = in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)
    return [row.version for row in rows]


@contextmanager
def role(connection: Connection, *grants: str) -> Iterator[str]:
    """A role with these rights and no others, for as long as the block lasts."""
    name = f"bridge_test_{secrets.token_hex(4)}"
    run(connection, f"CREATE ROLE {name}", *(f"GRANT {grant} TO {name}" for grant in grants))
    connection.commit()
    try:
        yield name
    finally:
        connection.rollback()
        run(connection, "RESET ROLE", f"DROP OWNED BY {name}", f"DROP ROLE {name}")
        connection.commit()


# A table of bridge's own


def test_the_table_that_bridge_creates(connection: Connection) -> None:
    ensure_ledger(connection, LEDGER)
    text_type = "character varying"
    assert columns(connection) == [
        ("version", text_type, 255, "NO", None),
        ("applied_at", "timestamp with time zone", None, "NO", "CURRENT_TIMESTAMP"),
        ("description", "text", None, "YES", None),
        ("checksum", text_type, 64, "YES", None),
        ("execution_ms", "integer", None, "YES", None),
        ("breaking", "boolean", None, "YES", None),
    ]
    key = connection.scalar(
        text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = 'schema_migrations'::regclass AND contype = 'p'"
        )
    )
    assert key == "PRIMARY KEY (version)"


def test_creating_it_again_changes_nothing(connection: Connection) -> None:
    record(connection, "001_a")
    before = connection.execute(text("SELECT xmin, * FROM schema_migrations")).all()
    connection.commit()
    ensure_ledger(connection, LEDGER)
    connection.commit()
    assert connection.execute(text("SELECT xmin, * FROM schema_migrations")).all() == before


def test_reading_writes_nothing_and_needs_neither_table(connection: Connection) -> None:
    run(connection, "SET TRANSACTION READ ONLY")
    state = read_tables(connection, LEDGER)
    assert (state.exists, state.ours, state.rows, state.pointers) == (False, False, (), ())
    assert connection.scalar(text("SELECT txid_current_if_assigned()")) is None


def test_what_was_recorded_is_read_back(connection: Connection) -> None:
    layout = ensure_ledger(connection, LEDGER)
    row = Row(
        version="001_a",
        description="It's 100% :odd",
        checksum="0" * 64,
        execution_ms=17,
        breaking=True,
    )
    record_applied(connection, LEDGER, layout, row)
    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(255) PRIMARY KEY)")
    set_pointer(connection, LEDGER, "001_a")
    connection.commit()
    run(connection, "SET TRANSACTION READ ONLY")
    state = read_tables(connection, LEDGER)
    (read,) = state.rows
    assert read == Row(
        version="001_a",
        description="It's 100% :odd",
        applied_at=read.applied_at,
        checksum="0" * 64,
        execution_ms=17,
        breaking=True,
    )
    assert isinstance(read.applied_at, datetime)
    assert read.applied_at.tzinfo is not None
    assert (state.exists, state.ours, state.certain) == (True, True, True)
    assert state.pointers == ("001_a",)
    assert (state.ledger, state.version_table) == ("schema_migrations", "alembic_version")


def test_unapplied_rows_are_removed_and_no_others(connection: Connection) -> None:
    record(connection, "001_a", "002_b", "003_c")
    layout = ensure_ledger(connection, LEDGER)
    record_unapplied(connection, LEDGER, layout, {"001_a", "003_c", "009_z"})
    assert order(connection) == ["002_b"]
    record_unapplied(connection, LEDGER, layout, [])
    assert order(connection) == ["002_b"]


def test_a_migration_cannot_be_recorded_twice(connection: Connection) -> None:
    record(connection, "001_a")
    with pytest.raises(IntegrityError) as caught:
        record(connection, "001_a")
    assert sqlstate(caught.value) == "23505"


def test_the_pointer_is_one_or_none(connection: Connection) -> None:
    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(255) PRIMARY KEY)")
    run(connection, "INSERT INTO alembic_version VALUES ('b'), ('a')")
    assert read_tables(connection, LEDGER).pointers == ("a", "b")
    set_pointer(connection, LEDGER, "c")
    assert read_tables(connection, LEDGER).pointers == ("c",)
    set_pointer(connection, LEDGER, None)
    assert read_tables(connection, LEDGER).pointers == ()


# Later than every other row


@pytest.mark.parametrize(
    "kind", ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIMESTAMPTZ(6)", "TIMESTAMP(6)"]
)
def test_a_row_is_later_than_all_others_even_if_the_clock_went_back(
    connection: Connection, kind: str
) -> None:
    run(connection, f"CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, applied_at {kind})")
    run(
        connection,
        "INSERT INTO schema_migrations VALUES ('009_z', '2999-01-01 00:00:00'), "
        "('001_a', '2001-01-01'), ('008_y', NULL)",
    )
    record(connection, "005_e", "004_d", "003_c")
    assert order(connection) == ["008_y", "001_a", "009_z", "005_e", "004_d", "003_c"]


def test_the_time_is_the_clocks_where_that_is_later(connection: Connection) -> None:
    clock = text("SELECT clock_timestamp()")
    before = connection.scalar(clock)
    record(connection, "001_a")
    # Not that of the transaction, in which a caller may run migrations for hours.
    at = connection.scalar(text("SELECT applied_at FROM schema_migrations"))
    assert before < at < connection.scalar(clock)


def test_rows_of_one_transaction_keep_their_order(connection: Connection) -> None:
    stems = ["003_c", "001_a", "002_b"]
    record(connection, *stems)
    assert order(connection) == stems
    assert read_tables(connection, LEDGER).certain


def test_a_timestamp_without_time_zone_is_that_of_the_session(connection: Connection) -> None:
    run(connection, "CREATE TABLE schema_migrations (version TEXT, applied_at TIMESTAMP)")
    run(connection, "SET TimeZone = 'Asia/Tokyo'")
    record(connection, "001_a")
    assert connection.scalar(
        text(
            "SELECT abs(extract(epoch FROM localtimestamp - applied_at)) < 60 "
            "FROM schema_migrations"
        )
    )


# Adopted tables


def test_the_old_runners_table_gets_the_other_columns(connection: Connection) -> None:
    run(connection, OLD_RUNNERS, "INSERT INTO schema_migrations VALUES ('001_a', now(), 'A')")
    connection.commit()
    before = read_tables(connection, LEDGER)
    assert (before.exists, before.ours, before.certain) == (True, False, True)
    record(connection, "002_b")
    assert [(name, kind, null) for name, kind, _, null, _ in columns(connection)] == [
        ("version", "character varying", "NO"),
        ("applied_at", "timestamp with time zone", "YES"),
        ("description", "text", "YES"),
        ("checksum", "character varying", "YES"),
        ("execution_ms", "integer", "YES"),
        ("breaking", "boolean", "YES"),
    ]
    after = read_tables(connection, LEDGER)
    assert after.ours
    first, second = in_applied_order(after.rows, certain=True)
    assert (first.version, first.description, first.checksum) == ("001_a", "A", None)
    assert (second.version, second.breaking) == ("002_b", False)


def test_a_column_that_is_there_already_is_not_added_again(connection: Connection) -> None:
    run(connection, OLD_RUNNERS, "ALTER TABLE schema_migrations ADD checksum TEXT")
    record(connection, "001_a")
    assert read_tables(connection, LEDGER).ours
    assert ("checksum", "text", None, "YES", None) in columns(connection)


@pytest.mark.parametrize(
    ("kind", "certain"),
    [
        ("TIMESTAMPTZ", True),
        ("TIMESTAMP", True),
        ("TIMESTAMP(0)", False),
        ("DATE", False),
        (None, False),
        ("BIGINT", False),
        ("TEXT", False),
    ],
)
def test_only_exact_times_tell_the_order(
    connection: Connection, kind: str | None, certain: bool
) -> None:
    when = f", applied_at {kind}" if kind else ""
    run(connection, f"CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY{when})")
    record(connection, "002_b", "001_a")
    state = read_tables(connection, LEDGER)
    assert state.certain is certain
    assert order(connection) == (["002_b", "001_a"] if certain else ["001_a", "002_b"])
    assert all((row.applied_at is None) == (kind in {None, "BIGINT", "TEXT"}) for row in state.rows)


def test_a_row_without_a_time_makes_the_order_uncertain(connection: Connection) -> None:
    run(connection, OLD_RUNNERS, "INSERT INTO schema_migrations VALUES ('009_z', NULL, NULL)")
    record(connection, "001_a")
    assert not read_tables(connection, LEDGER).certain
    assert order(connection) == ["009_z", "001_a"]


def test_a_day_is_read_as_a_day(connection: Connection) -> None:
    run(connection, "CREATE TABLE schema_migrations (version TEXT, applied_at DATE)")
    run(connection, "INSERT INTO schema_migrations VALUES ('001_a', '2024-02-03')")
    (row,) = read_tables(connection, LEDGER).rows
    assert row.applied_at == date(2024, 2, 3)
    assert not isinstance(row.applied_at, datetime)


@pytest.mark.parametrize(
    "number", ["SERIAL", "BIGSERIAL", "INTEGER GENERATED BY DEFAULT AS IDENTITY"]
)
@pytest.mark.parametrize("when", ["DATE", "TIMESTAMPTZ", "INTEGER"])
def test_a_number_that_the_table_gives_tells_the_order(
    connection: Connection, number: str, when: str
) -> None:
    run(
        connection,
        f'CREATE TABLE schema_migrations ("Nr" {number} PRIMARY KEY, version TEXT UNIQUE, '
        f"applied_at {when})",
    )
    record(connection, "002_b", "003_c", "001_a")
    state = read_tables(connection, LEDGER)
    assert state.certain
    assert order(connection) == ["002_b", "003_c", "001_a"]


def test_columns_of_our_names_with_other_types_are_left_alone(connection: Connection) -> None:
    run(
        connection,
        "CREATE TABLE schema_migrations (version VARCHAR(100) PRIMARY KEY, applied_at TEXT, "
        "description INTEGER, checksum CHAR(32), execution_ms INTERVAL, breaking TEXT)",
        "INSERT INTO schema_migrations VALUES ('001_a', 'today', 1, 'abc', '1 second', 'no')",
    )
    record(connection, "002_b")
    state = read_tables(connection, LEDGER)
    assert not state.ours
    assert state.rows == (Row(version="001_a"), Row(version="002_b"))


def test_a_padded_key_is_read_and_removed_without_its_blanks(connection: Connection) -> None:
    run(connection, "CREATE TABLE schema_migrations (version CHAR(40) PRIMARY KEY)")
    record(connection, "001_a", "002_b")
    assert order(connection) == ["001_a", "002_b"]
    record_unapplied(connection, LEDGER, ensure_ledger(connection, LEDGER), ["001_a"])
    assert order(connection) == ["002_b"]


def test_rows_without_a_name_are_no_migrations(connection: Connection) -> None:
    run(connection, "CREATE TABLE schema_migrations (version TEXT)")
    run(connection, "INSERT INTO schema_migrations VALUES (NULL), (''), ('001_a'), ('001_a')")
    assert order(connection) == ["001_a"]


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        ("", "none at all"),
        ("version UUID, name BYTEA", "version, name"),
        ("version BIGINT, dirty BOOLEAN", "version, dirty"),
    ],
)
def test_a_table_that_cannot_be_a_ledger_is_left_alone(
    connection: Connection, definition: str, found: str
) -> None:
    run(connection, f"CREATE TABLE schema_migrations ({definition})")
    with pytest.raises(LedgerError) as caught:
        read_tables(connection, LEDGER)
    assert str(caught.value) == (
        "The table schema_migrations is not a ledger that bridge knows: its columns are "
        f"{found}, and the names of migrations would be in a column named version, name, filename, "
        "file_name, migration, migration_name, migration_id, script, script_name or id. It was "
        "left alone. Name another table with ledger_table = NAME in alembic.ini."
    )


@pytest.mark.parametrize(
    ("definition", "key", "numeric"),
    [
        ("name TEXT PRIMARY KEY", "name", False),
        ("id SERIAL, filename VARCHAR(100) UNIQUE, applied_at TIMESTAMP", "filename", False),
        ("name TEXT, version VARCHAR(20)", "version", False),
        ("version UUID, migration TEXT", "migration", False),
        ("version INTEGER PRIMARY KEY, name TEXT", "version", True),
        ("version BIGINT", "version", True),
    ],
)
def test_the_column_of_names_is_recognised(
    connection: Connection, definition: str, key: str, numeric: bool
) -> None:
    run(connection, f"CREATE TABLE schema_migrations ({definition})")
    record(connection, "1", "2")
    state = read_tables(connection, LEDGER)
    assert (state.key_column, state.numeric) == (key, numeric)
    assert order(connection) == ["1", "2"]
    record_unapplied(connection, LEDGER, ensure_ledger(connection, LEDGER), ["1"])
    assert order(connection) == ["2"]
    assert connection.scalar(text(f"SELECT {key}::text FROM schema_migrations")) == "2"


def test_an_adopted_table_that_may_not_be_altered_is_used_as_it_is(connection: Connection) -> None:
    run(connection, OLD_RUNNERS)
    with role(connection, "ALL ON schema_migrations") as name:
        run(connection, f"SET ROLE {name}")
        record(connection, "001_a")
        connection.commit()
        state = read_tables(connection, LEDGER)
        assert [row.version for row in state.rows] == ["001_a"]
        assert state.rows[0].description == "About 001_a"
        assert not state.ours
        assert len(columns(connection)) == 3


def test_an_adopted_table_that_somebody_reads_for_long_is_used_as_it_is(
    engine: Engine, connection: Connection
) -> None:
    run(connection, OLD_RUNNERS, "SET lock_timeout = '7s'")
    connection.commit()
    with engine.connect() as reader:
        run(reader, "SELECT * FROM schema_migrations")
        began = datetime.now().astimezone()
        record(connection, "001_a")
        waited = (datetime.now().astimezone() - began).total_seconds()
    assert 1.9 < waited < 5
    assert connection.scalar(text("SELECT current_setting('lock_timeout')")) == "7s"
    connection.commit()
    assert connection.scalar(text("SELECT current_setting('lock_timeout')")) == "7s"
    assert not read_tables(connection, LEDGER).ours
    record(connection, "002_b")
    assert connection.scalar(text("SELECT current_setting('lock_timeout')")) == "7s"
    assert read_tables(connection, LEDGER).ours


# Names and schemas


NAMES = [
    Ledger("Weird Name", "Pointer's", None),
    Ledger("a:b %s", "c:d", None),
    Ledger("select", "user", None),
    Ledger("schema_migrations", "alembic_version", "app"),
    Ledger("semi;colon", "UPPER", "My Schema"),
]


@pytest.mark.parametrize("ledger", NAMES, ids=lambda ledger: ledger.name)
def test_tables_of_any_name_in_any_schema(connection: Connection, ledger: Ledger) -> None:
    if ledger.schema:
        run(connection, f'CREATE SCHEMA "{ledger.schema}"')
    assert not read_tables(connection, ledger).exists
    record(connection, "001_a", "002_b", ledger=ledger)
    schema = f'"{ledger.schema}".' if ledger.schema else ""
    table = f'{schema}"{ledger.version_table}"'.replace("%", "%%")
    run(connection, f"CREATE TABLE {table} (version_num VARCHAR(32))")
    widen_version_table(connection, ledger, longest=100)
    set_pointer(connection, ledger, "002_b")
    state = read_tables(connection, ledger)
    assert (state.exists, state.ours, state.pointers) == (True, True, ("002_b",))
    assert order(connection, ledger) == ["001_a", "002_b"]
    record_unapplied(connection, ledger, ensure_ledger(connection, ledger), ["002_b"])
    assert order(connection, ledger) == ["001_a"]
    # The name in a message can be typed as it stands.
    run(connection, f"SELECT * FROM {state.ledger}, {state.version_table}".replace("%", "%%"))


def test_a_schema_that_does_not_exist_is_named(connection: Connection) -> None:
    ledger = Ledger(schema="nowhere")
    assert not read_tables(connection, ledger).exists
    with pytest.raises(LedgerError) as caught:
        ensure_ledger(connection, ledger)
    assert str(caught.value) == (
        "The tables nowhere.schema_migrations and nowhere.alembic_version cannot be created by "
        'this role: schema "nowhere" does not exist. Nothing was run. Create the schema, or '
        "correct version_table_schema or the search_path."
    )


def test_a_role_that_may_not_create_is_told_what_it_needs(connection: Connection) -> None:
    run(connection, "CREATE SCHEMA app")
    with role(connection) as name:
        run(connection, f"GRANT USAGE ON SCHEMA app TO {name}", f"SET ROLE {name}")
        with pytest.raises(LedgerError) as caught:
            ensure_ledger(connection, Ledger(schema="app"))
    assert str(caught.value) == (
        "The tables app.schema_migrations and app.alembic_version cannot be created by this role: "
        "permission denied for schema app. Nothing was run. Grant it USAGE and CREATE on the "
        "schema, or set MIGRATION_DATABASE_URL to a role that has them."
    )


def test_a_role_that_may_not_read_is_told_what_it_needs(connection: Connection) -> None:
    ensure_ledger(connection, LEDGER)
    with role(connection) as name:
        run(connection, f"SET ROLE {name}")
        with pytest.raises(LedgerError) as caught:
            read_tables(connection, LEDGER)
    assert str(caught.value) == (
        "The tables schema_migrations and alembic_version cannot be read by this role: permission "
        "denied for table schema_migrations. Nothing was run. Type this once as their owner: GRANT "
        f"SELECT, INSERT, UPDATE, DELETE ON schema_migrations TO {name}; or set "
        "MIGRATION_DATABASE_URL to a role that has them."
    )


def test_a_server_that_takes_no_writes_is_told(connection: Connection) -> None:
    run(connection, "SET TRANSACTION READ ONLY")
    with pytest.raises(LedgerError) as caught:
        ensure_ledger(connection, LEDGER)
    assert str(caught.value) == (
        "The tables schema_migrations and alembic_version cannot be created by this role: cannot "
        "execute CREATE TABLE in a read-only transaction. Nothing was run. Connect to a server, "
        "and as a role, that may write."
    )


def test_a_ledger_in_another_schema_is_seen_where_none_is_found(connection: Connection) -> None:
    for schema in ("two", "one", "three"):
        run(connection, f"CREATE SCHEMA {schema}")
    run(connection, "CREATE TABLE one.schema_migrations (version TEXT)")
    run(connection, "CREATE TABLE two.schema_migrations (version TEXT)")
    run(connection, "CREATE TABLE three.schema_migrations (id INT)")
    run(connection, "INSERT INTO two.schema_migrations VALUES ('001_a')")
    assert read_tables(connection, LEDGER).elsewhere == (
        Elsewhere("one", filled=False),
        Elsewhere("two", filled=True),
    )
    assert read_tables(connection, Ledger(schema="public")).elsewhere == ()
    assert read_tables(connection, Ledger(table="others")).elsewhere == ()
    run(connection, "SET search_path = two")
    assert [each.schema for each in read_tables(connection, LEDGER).elsewhere] == ["one"]


def test_a_temporary_table_of_another_session_is_not_a_ledger(
    engine: Engine, connection: Connection
) -> None:
    with engine.connect() as other:
        run(other, "CREATE TEMPORARY TABLE schema_migrations (version TEXT)")
        other.commit()
        assert read_tables(connection, LEDGER).elsewhere == ()


# The width of the pointer


def widths(connection: Connection) -> int:
    ((_, _, width, *_),) = columns(connection, "alembic_version")
    return int(width)


def test_a_narrow_version_table_is_widened(connection: Connection) -> None:
    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    widen_version_table(connection, LEDGER, longest=1)
    assert widths(connection) == 255


def test_a_wide_version_table_stays_as_it_is(connection: Connection) -> None:
    widen_version_table(connection, LEDGER, longest=255)
    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(300) PRIMARY KEY)")
    widen_version_table(connection, LEDGER, longest=255)
    assert widths(connection) == 300
    run(connection, "ALTER TABLE alembic_version ALTER version_num TYPE TEXT")
    widen_version_table(connection, LEDGER, longest=255)


def test_a_narrow_version_table_that_may_not_be_widened_is_refused_if_it_is_too_narrow(
    connection: Connection,
) -> None:
    run(connection, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    run(connection, "CREATE VIEW dashboard AS SELECT version_num FROM alembic_version")
    widen_version_table(connection, LEDGER, longest=32)
    with role(connection, "ALL ON alembic_version") as name:
        for who in ("NONE", name):
            run(connection, f"SET ROLE {who}")
            widen_version_table(connection, LEDGER, longest=32)
            with pytest.raises(LedgerError) as caught:
                widen_version_table(connection, LEDGER, longest=33)
            assert str(caught.value) == (
                "alembic_version.version_num holds 32 characters, too few for the names of "
                "migrations (the longest has 33). It could not be widened: this role may not do "
                "it, a view uses it, or somebody holds the table. Nothing was run. Type this once "
                "as the table's owner: ALTER TABLE alembic_version ALTER COLUMN version_num TYPE "
                "VARCHAR(255);"
            )
        assert widths(connection) == 32


def test_the_state_of_an_error_is_found_through_its_wrapping(connection: Connection) -> None:
    with pytest.raises(DBAPIError) as caught:
        run(connection, "SELECT 1/0")
    assert sqlstate(caught.value) == sqlstate(caught.value.orig) == "22012"
    assert sqlstate(None) is None
    assert sqlstate(ValueError("no")) is None
