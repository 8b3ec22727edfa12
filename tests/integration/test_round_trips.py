"""How often one migration makes client and server wait for each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import bridge
import bridge.execution.watcher
from support.own_server import OwnServer, own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What begins a line of the log; there is one for each message, however many statements it has.
LOGGED = re.compile(r"^(\d+) LOG:  statement:", re.MULTILINE)

MIGRATION = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE t{0} ()"))
        db.commit()
"""

#: Each message for one migration, by its first words.
NECESSARY = [
    "BEGIN",
    "CREATE TABLE t4",
    "SAVEPOINT bridge_record; EXECUTE bridge_1_move ('004_t', '003_t')",
    "COMMIT",
]
#: The same for one that changed a setting.
STEP_BY_STEP = [
    "BEGIN",
    "CREATE TABLE t4",
    "SET work_mem = 64",
    "SELECT CASE WHEN session_user =",
    "SET SESSION AUTHORIZATION",
    "SELECT coalesce(bool_and(CASE WHEN there",
    "UPDATE alembic_version SET version_num = '004_t'",
    "INSERT INTO schema_migrations",
    "COMMIT",
]

#: How many messages a run may send that has one such migration to do.
AT_MOST = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    folder = tmp_path_factory.mktemp("round_trips") / "project"
    with own_server(folder, log_statement="all", log_line_prefix="%p ") as own:
        for number in (1, 2, 3, 4):
            own.project.write(f"00{number}_t", MIGRATION.format(number))
        yield own


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is never slow: then no commit is owed for long."""
    monkeypatch.setattr(bridge.execution.watcher, "PAY_EVERY", 60.0)


def sent_since(own: OwnServer, before: int) -> list[tuple[str, str]]:
    """The messages in the server's log from that byte on, each after its backend."""
    parts = LOGGED.split(own.log.read_bytes()[before:].decode())
    return [
        (pid, " ".join(text.split())) for pid, text in zip(parts[1::2], parts[2::2], strict=True)
    ]


def sent_for_the_last(own: OwnServer) -> tuple[list[str], list[str]]:
    """The messages for the last of four migrations: on its own connection, and on others."""
    with own.engine.begin() as connection:
        connection.exec_driver_sql(
            "DROP TABLE IF EXISTS schema_migrations, alembic_version, t1, t2, t3, t4"
        )
    before = own.log.stat().st_size
    applied = bridge.upgrade(own.engine, config=own.project.path / "alembic.ini").applied
    assert [each.stem for each in applied] == ["001_t", "002_t", "003_t", "004_t"]
    sent = sent_since(own, before)
    texts = [text for _, text in sent]
    ours, _ = sent[texts.index("CREATE TABLE t4 ()")]
    begin = texts.index("COMMIT", texts.index("CREATE TABLE t3 ()"))
    end = texts.index("COMMIT", texts.index("CREATE TABLE t4 ()"))
    last = sent[begin + 1 : end + 1]
    return (
        [text for pid, text in last if pid == ours],
        [text for pid, text in last if pid != ours],
    )


def begin_alike(messages: list[str], expected: list[str]) -> bool:
    return len(messages) == len(expected) and all(map(str.startswith, messages, expected))


def test_a_migration_of_one_statement_takes_four_round_trips(server: OwnServer) -> None:
    own, others = sent_for_the_last(server)
    assert begin_alike(own, NECESSARY), own
    assert others == []


def test_where_a_constraint_can_be_deferred_a_commit_takes_one_more(server: OwnServer) -> None:
    with server.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE late (n int UNIQUE DEFERRABLE)")
    try:
        own, _ = sent_for_the_last(server)
    finally:
        with server.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE late")
    assert begin_alike(own, [*NECESSARY[:2], "SET CONSTRAINTS ALL IMMEDIATE", *NECESSARY[2:]]), own


def test_a_migration_that_changed_a_setting_is_recorded_step_by_step(server: OwnServer) -> None:
    path = server.project.migrations / "004_t.py"
    before = path.read_text()
    path.write_text(before.replace("db.commit()", 'db.execute(text("SET work_mem = 64"))'))
    try:
        own, others = sent_for_the_last(server)
    finally:
        path.write_text(before)
    assert begin_alike(own, STEP_BY_STEP), own
    assert others == []


def test_a_run_with_one_pending_sends_its_messages_over_one_connection(server: OwnServer) -> None:
    sent_for_the_last(server)
    server.project.write("005_t", MIGRATION.format(5))
    before = server.log.stat().st_size
    url = server.engine.url.render_as_string(hide_password=False)
    try:
        applied = bridge.upgrade(url, config=server.project.path / "alembic.ini").applied
    finally:
        (server.project.migrations / "005_t.py").unlink()
    assert [each.stem for each in applied] == ["005_t"]
    sent = sent_since(server, before)
    assert len({pid for pid, _ in sent}) == 1
    assert len(sent) <= AT_MOST, [text for _, text in sent]
    with server.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE t5")
