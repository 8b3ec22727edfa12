"""The ledgers of many targets, read at once: it says what `bridge.status` says of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import Pool

import bridge
from bridge.config.target import Target
from bridge.database.literals import literal
from bridge.database.quoting import always_quote
from bridge.database.request import Request
from bridge.operations.status import status_for
from bridge.operations.targets import databases, over, reading
from bridge.operations.targets.read_all import read_all
from bridge.operations.targets.target_status import TargetState, TargetStatus
from support.running import free_port, listened
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import URL, Engine

    from support.project import Project

FILES = ("001_one", "002_two", "003_three")
#: Names that need quotes, are words of SQL, or are as long as PostgreSQL keeps.
NAMES = ["acme", 'Ä"x y\\z', "Select", "a" * 63, "ü" * 31, "a.b", "public, x", "%s", "a'b"]


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project)
    tenants.files(*FILES)
    return tenants


def request_of(tenants: Tenants, database: Any = None) -> Request:
    return Request(database=database or tenants.project.url, **tenants.where)


def read(
    tenants: Tenants, targets: Sequence[str | Target], database: Any = None
) -> dict[str, TargetStatus]:
    listed = [Target(each) if isinstance(each, str) else each for each in targets]
    found = read_all(request_of(tenants, database), listed)
    assert [each.target for each in found] == [each.name for each in listed]
    return {each.target: each for each in found}


def states(found: dict[str, TargetStatus]) -> dict[str, str]:
    return {name: str(each.state) for name, each in found.items()}


def migrated(tenants: Tenants, *names: str, to: str = "head") -> None:
    tenants.schemas(*names)
    for name in names:
        bridge.upgrade(tenants.project.url, target=name, to=to, **tenants.where)


@pytest.mark.parametrize(
    "handed_in",
    ["url", "engine", "connection", "transaction", "autocommit", "used in autocommit"],
)
def test_each_target_has_its_state(tenants: Tenants, handed_in: str) -> None:
    migrated(tenants, "done")
    migrated(tenants, "behind", to="002_two")
    tenants.schemas("fresh")
    migrated(tenants, "ahead", "strange")
    tenants.execute(
        "INSERT INTO ahead.schema_migrations (version) VALUES ('004_four')",
        "UPDATE ahead.alembic_version SET version_num = '004_four'",
        "UPDATE strange.schema_migrations SET version = upper(version)",
    )
    names = ["done", "behind", "fresh", "ahead", "strange", "gone"]
    if handed_in == "url":
        found = read(tenants, names)
    elif handed_in == "engine":
        found = read(tenants, names, tenants.engine)
    else:
        with tenants.engine.connect() as connection:
            if handed_in.endswith("autocommit"):
                connection.execution_options(isolation_level="AUTOCOMMIT")
            if handed_in.startswith("used"):
                connection.execute(text("SELECT 1"))
            if handed_in == "transaction":
                connection.begin()
            begun = connection.in_transaction()
            found = read(tenants, names, connection)
            assert connection.in_transaction() == begun
    assert states(found) == {
        "done": "up-to-date",
        "behind": "pending",
        "fresh": "new",
        "ahead": "ahead",
        "strange": "refused",
        "gone": "missing",
    }
    assert found["behind"] == TargetStatus("behind", TargetState.PENDING, "002_two", ("003_three",))
    assert found["done"] == TargetStatus("done", TargetState.UP_TO_DATE, "003_three")
    assert found["fresh"].pending == FILES
    assert found["gone"].message.endswith("type: eai migrate provision gone")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(tenants: Tenants, name: str) -> None:
    migrated(tenants, name)
    assert states(read(tenants, [name, "gone"])) == {name: "up-to-date", "gone": "missing"}


def test_a_ledger_in_public_stands_for_none(tenants: Tenants) -> None:
    bridge.upgrade(tenants.project.url, **tenants.where)
    tenants.schemas("acme")
    assert states(read(tenants, ["acme"])) == {"acme": "new"}
    status = status_for(
        Request(database=tenants.project.url, target=Target("acme"), **tenants.where)
    )
    assert status.pending == FILES


def test_targets_that_are_up_to_date_cost_two_questions_for_fifty(tenants: Tenants) -> None:
    migrated(tenants, *(names := [f"t{number:03}" for number in range(51)]))
    engine = tenants.engine
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    assert set(states(read(tenants, names, engine)).values()) == {"up-to-date"}
    assert len(sent) == 4


def test_targets_that_are_behind_in_the_same_way_are_asked_about_once(tenants: Tenants) -> None:
    migrated(tenants, *(behind := [f"t{number:03}" for number in range(30)]), to="002_two")
    tenants.schemas(*(fresh := [f"n{number:03}" for number in range(30)]))
    engine = tenants.engine
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    found = states(read(tenants, [*behind, *fresh], engine))
    assert found == {**dict.fromkeys(behind, "pending"), **dict.fromkeys(fresh, "new")}
    of_sixty = len(sent)
    read(tenants, [behind[0], fresh[0]], engine)
    # Two batches in place of one, and nothing for each of the others.
    assert of_sixty <= len(sent) - of_sixty + 4


@pytest.mark.parametrize("handed_in", ["url", "engine"])
def test_a_connection_lasts_for_so_many_targets(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, handed_in: str
) -> None:
    """A backend keeps what it has read of the catalog for as long as it lives."""
    monkeypatch.setattr(databases, "OVER_ONE_CONNECTION", 3)
    migrated(tenants, *(names := [f"t{number}" for number in range(6)]))
    migrated(tenants, "t6", to="002_two")
    engine = create_engine(tenants.engine.url) if handed_in == "engine" else None
    backends: list[int] = []

    def made(connection: Any, _record: Any) -> None:
        backends.append(connection.info.backend_pid)

    with listened(Pool, "connect", made):
        found = read(tenants, [*names, "t6"], engine)
    assert states(found) == {**dict.fromkeys(names, "up-to-date"), "t6": "pending"}
    assert len(set(backends)) == 3
    left = tenants.ask(
        f"SELECT pid FROM pg_stat_activity WHERE pid = ANY(ARRAY{backends}) "
        "AND pg_stat_clear_snapshot() IS NOT NULL"
    )
    assert list(left) == []
    if engine is not None:
        assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_all_of_a_server_that_does_not_answer_are_unreachable(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "OVER_ONE_CONNECTION", 3)
    migrated(tenants, "here")
    url = f"postgresql://u@127.0.0.1:{free_port()}/d"
    away = [Target(f"t{number}", schema="x", url=url) for number in range(7)]
    found = read(tenants, [*away, "here"])
    assert states(found) == {**{each.name: "unreachable" for each in away}, "here": "up-to-date"}
    assert len({each.message for each in found.values() if each.message}) == 1


LOCKED = "The bookkeeping tables are locked by another session"


def test_a_target_that_is_locked_is_named_and_stops_nothing(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over, "_LIMITS", ("SET LOCAL lock_timeout = 100",))
    migrated(tenants, "a", "b", "c")
    with tenants.engine.begin() as other:
        other.execute(text("DROP SCHEMA b CASCADE"))
        found = read(tenants, ["a", "b", "c", "gone"])
        other.rollback()
    assert states(found) == {"a": "up-to-date", "b": "locked", "c": "up-to-date", "gone": "missing"}
    assert found["b"].message.startswith(f"{LOCKED}: canceling statement due to lock timeout.")
    assert states(read(tenants, ["b"])) == {"b": "up-to-date"}


def test_a_target_that_is_locked_before_it_is_asked_singly_is_named(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LOCK_TIMEOUT", 0.1)
    migrated(tenants, "a", "b")
    tenants.execute("ALTER TABLE b.schema_migrations ADD COLUMN state text")
    with tenants.engine.begin() as other:
        other.execute(text("LOCK TABLE b.schema_migrations IN ACCESS EXCLUSIVE MODE"))
        found = read(tenants, ["a", "b"])
    assert states(found) == {"a": "up-to-date", "b": "locked"}
    assert found["b"].message.startswith(LOCKED)


def between(engine: Engine, happens: Callable[[], None]) -> None:
    """Let it happen once, after the catalog was asked and before the ledgers are."""
    left = [happens]

    def look(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "string_agg" in statement and left:
            left.pop()()

    event.listen(engine, "before_cursor_execute", look)


def test_a_target_that_is_dropped_meanwhile_is_missing_and_stops_nothing(tenants: Tenants) -> None:
    migrated(tenants, "a", "b", "c")
    engine = tenants.engine
    between(engine, lambda: tenants.execute("DROP SCHEMA b CASCADE"))
    found = read(tenants, ["a", "b", "c"], engine)
    assert states(found) == {"a": "up-to-date", "b": "missing", "c": "up-to-date"}


def test_a_target_that_is_made_meanwhile_stops_nothing(tenants: Tenants) -> None:
    migrated(tenants, "a")
    engine = tenants.engine
    between(engine, lambda: migrated(tenants, "b"))
    assert states(read(tenants, ["a", "b"], engine)) == {"a": "up-to-date", "b": "missing"}
    assert states(read(tenants, ["a", "b"], engine)) == {"a": "up-to-date", "b": "up-to-date"}


def test_a_connection_that_is_lost_is_made_anew(tenants: Tenants) -> None:
    migrated(tenants, "a", "b")
    engine = tenants.engine
    between(
        engine,
        lambda: tenants.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        ),
    )
    assert states(read(tenants, ["a", "b"], engine)) == {"a": "up-to-date", "b": "up-to-date"}


def test_a_target_that_the_role_may_not_read_is_refused_and_stops_nothing(tenants: Tenants) -> None:
    migrated(tenants, "a", "b", "c")
    with tenants.engine.connect() as connection:
        for statement in (
            "CREATE ROLE tenant_reader",
            "GRANT USAGE ON SCHEMA a, c TO tenant_reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA a TO tenant_reader",
            "SET ROLE tenant_reader",
        ):
            connection.execute(text(statement))
        connection.commit()
        try:
            found = read(tenants, ["a", "b", "c"], connection)
        finally:
            for statement in (
                "RESET ROLE",
                "DROP OWNED BY tenant_reader",
                "DROP ROLE tenant_reader",
            ):
                connection.execute(text(statement))
            connection.commit()
    assert states(found) == {"a": "up-to-date", "b": "refused", "c": "refused"}
    assert "permission denied for schema b" in found["b"].message
    assert "permission denied for table schema_migrations" in found["c"].message


def test_databases_are_read_beside_schemas(
    tenants: Tenants, create_database: Callable[[], URL]
) -> None:
    migrated(tenants, "a")
    url = create_database()
    mine = url.render_as_string(hide_password=False)
    bridge.upgrade(mine, to="002_two", **tenants.where)
    other = Tenants(type(tenants.project)(tenants.project.path, url))
    other.schemas("b")
    bridge.upgrade(target=Target("b", url=mine, schema="b"), **tenants.where)
    found = read(
        tenants,
        [
            "a",
            Target("whole", url=mine),
            Target("b", url=mine, schema="b"),
            Target("c", url=mine, schema="c"),
            Target("none", url=url.set(database="nowhere").render_as_string(hide_password=False)),
            Target("down", url="postgresql://role:secret@127.0.0.1:1/db"),
            Target("bad", url="mysql://host/db"),
        ],
    )
    assert states(found) == {
        "a": "up-to-date",
        "whole": "pending",
        "b": "up-to-date",
        "c": "missing",
        "none": "missing",
        "down": "unreachable",
        "bad": "refused",
    }
    assert found["none"].message.startswith("No connection to database nowhere")
    assert "the database does not exist on that server" in found["none"].message
    assert found["down"].message.startswith(
        "No connection to database db on 127.0.0.1:1 as role (from the URL of the target down)"
    )
    assert not any("secret" in each.message for each in found.values())


def test_three_hundred_schemas_and_thirty_databases_are_read(
    tenants: Tenants, create_database: Callable[[], URL]
) -> None:
    migrated(tenants, "model")
    migrated(tenants, "behind", to="002_two")
    copy = """
        CREATE SCHEMA {0};
        CREATE TABLE {0}.schema_migrations (LIKE {1}.schema_migrations INCLUDING ALL);
        INSERT INTO {0}.schema_migrations SELECT * FROM {1}.schema_migrations;
        CREATE TABLE {0}.alembic_version (LIKE {1}.alembic_version INCLUDING ALL);
        INSERT INTO {0}.alembic_version SELECT * FROM {1}.alembic_version
    """
    names = [f"t{number:03}" for number in range(300)]
    tenants.execute(
        *(
            copy.format(n, "behind" if number % 10 == 7 else "model")
            for number, n in enumerate(names)
        )
    )
    url = create_database()
    mine = url.render_as_string(hide_password=False)
    bridge.upgrade(mine, **tenants.where)
    databases = [
        Target(
            f"d{number:02}", url=f"{mine}{'&' if '?' in mine else '?'}application_name=d{number}"
        )
        for number in range(30)
    ]
    found = states(read(tenants, [*map(Target, names), *databases]))
    assert Counter(found.values()) == {"up-to-date": 300, "pending": 30}
    assert [name for name, state in found.items() if state == "pending"] == names[7::10]


# What is said of all


def test_all_of_them_are_told_by_where_they_are(tenants: Tenants) -> None:
    migrated(tenants, "a", "b", "c")
    migrated(tenants, "behind", to="001_one")
    tenants.schemas("fresh")
    found = bridge.status_all(
        ["a", "b", "c", "behind", "fresh", "gone"], database=tenants.project.url, **tenants.where
    )
    assert [str(group) for group in found.groups] == [
        "3 up to date at 003_three",
        "1 at 001_one (2 pending)",
        "1 new (3 pending)",
        "1 missing",
    ]
    assert (found.up_to_date, found.exit_code, found.shapes) == (False, 4, None)


def test_all_comes_from_the_list_of_the_section(project: Project) -> None:
    tenants = Tenants.of(project, "targets_query = SELECT 'a' UNION ALL SELECT 'b'")
    tenants.files("001_one")
    migrated(tenants, "a", "b")
    found = bridge.status_all(database=tenants.project.url, **tenants.where)
    assert [each.target for each in found.targets] == ["a", "b"]
    assert found.up_to_date


def test_a_tenant_of_another_shape_is_named(tenants: Tenants) -> None:
    names = ["acme", "b", 'Ä"x', "a.b", "Select"]
    migrated(tenants, *names)
    tenants.execute(
        *(
            f"ALTER TABLE {always_quote(name)}.one ADD mood text DEFAULT {literal(name)}::name, "
            "ADD CHECK (id > 0)"
            for name in ("acme", "b")
        ),
        *(
            statement
            for name in names
            for statement in (
                f"CREATE TYPE {always_quote(name)}.kind AS ENUM ('x')",
                f"ALTER TABLE {always_quote(name)}.two ADD kind {always_quote(name)}.kind",
                f"ALTER TABLE {always_quote(name)}.two ALTER kind SET DEFAULT 'x'",
                f"ALTER TABLE {always_quote(name)}.two ADD PRIMARY KEY (id)",
            )
        ),
        "ALTER TABLE acme.three ALTER id TYPE integer",
        "ALTER TABLE b.one ALTER mood DROP DEFAULT",
    )
    migrated(tenants, "behind", to="001_one")
    given = [*names, "behind"]
    found = bridge.status_all(given, database=tenants.project.url, shapes=True, **tenants.where)
    assert found.shapes is not None
    assert [(each.targets, each.differences) for each in found.shapes] == [
        (('Ä"x', "a.b", "Select"), ()),
        (
            ("acme",),
            (
                "a column more: one.mood",
                "a constraint more: one.one_id_check",
                "another column: three.id is integer, and not bigint",
            ),
        ),
        (("b",), ("a column more: one.mood", "a constraint more: one.one_id_check")),
    ]
