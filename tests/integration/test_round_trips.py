"""How often one migration makes client and server wait for each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import bridge
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
    "CREATE TABLE t2",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "SELECT CASE WHEN session_user =",
    "UPDATE alembic_version SET version_num = '002_t'",
    "INSERT INTO schema_migrations",
    "COMMIT",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    folder = tmp_path_factory.mktemp("round_trips") / "project"
    with own_server(folder, log_statement="all", log_line_prefix="%p ") as own:
        for number in (1, 2, 3):
            own.project.write(f"00{number}_t", MIGRATION.format(number))
        yield own


def sent_for_the_second(own: OwnServer) -> tuple[list[str], list[str]]:
    """The messages for the second of three migrations: on its own connection, and on others."""
    with own.engine.begin() as connection:
        connection.exec_driver_sql(
            "DROP TABLE IF EXISTS schema_migrations, alembic_version, t1, t2, t3"
        )
    before = own.log.stat().st_size
    applied = bridge.upgrade(own.engine, config=own.project.path / "alembic.ini").applied
    assert [each.stem for each in applied] == ["001_t", "002_t", "003_t"]
    parts = LOGGED.split(own.log.read_bytes()[before:].decode())
    sent = [
        (pid, " ".join(text.split())) for pid, text in zip(parts[1::2], parts[2::2], strict=True)
    ]
    texts = [text for _, text in sent]
    ours, _ = sent[texts.index("CREATE TABLE t2 ()")]
    begin = texts.index("COMMIT", texts.index("CREATE TABLE t1 ()"))
    end = texts.index("COMMIT", texts.index("CREATE TABLE t2 ()"))
    second = sent[begin + 1 : end + 1]
    return (
        [text for pid, text in second if pid == ours],
        [text for pid, text in second if pid != ours],
    )


def begin_alike(messages: list[str], expected: list[str]) -> bool:
    return len(messages) == len(expected) and all(map(str.startswith, messages, expected))


def test_a_migration_of_one_statement_takes_eight_round_trips(
    server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DDL_LOCK_TIMEOUT", "0")
    own, others = sent_for_the_second(server)
    assert begin_alike(own, NECESSARY), own
    assert begin_alike(others, ["SELECT set_config('application_name', 'bridge: 002_t', true)"])


def test_a_limit_for_the_waits_on_locks_takes_one_more(server: OwnServer) -> None:
    own, others = sent_for_the_second(server)
    assert begin_alike(own, ["SET lock_timeout TO 2000", *NECESSARY]), own
    assert len(others) == 1


def test_only_a_migration_that_changed_a_setting_has_the_settings_put_back(
    server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_DDL_LOCK_TIMEOUT", "0")
    path = server.project.migrations / "002_t.py"
    before = path.read_text()
    path.write_text(before.replace("db.commit()", 'db.execute(text("SET work_mem = 64"))'))
    try:
        own, _ = sent_for_the_second(server)
    finally:
        path.write_text(before)
    expected = NECESSARY.copy()
    expected[2:2] = ["SET work_mem = 64"]
    expected[5:5] = ["SET SESSION AUTHORIZATION"]
    assert begin_alike(own, expected), own
