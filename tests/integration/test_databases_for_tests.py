"""What the pytest plugin makes on a server, and that it leaves nothing there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bridge.errors import BridgeError, MigrationError, UsageError
from bridge.testing.databases import VARIABLE, opened_databases
from bridge.testing.project import Project as UnderTest
from support.running import column, do, migration

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

RUN, ANOTHER = "0badcafe", "0badbeef"


@pytest.fixture
def tested(project: Project, monkeypatch: pytest.MonkeyPatch) -> UnderTest:
    """Its own empty database is where the advisory locks of these tests are."""
    assert project.url is not None
    monkeypatch.setenv(VARIABLE, project.url.render_as_string(hide_password=False))
    project.write(
        "001_log",
        "from pathlib import Path\nfrom sqlalchemy import text\ndef upgrade(db):\n"
        "    with open(Path(__file__).parents[1] / 'runs', 'a') as runs:\n"
        "        runs.write('.')\n"
        "    db.execute(text('CREATE TABLE log (stem text)'))\n    db.commit()\n",
    )
    return UnderTest(str(project.path / "alembic.ini"))


def names(engine: Engine, prefix: str) -> list[str]:
    found = column(engine, "SELECT datname::text FROM pg_database ORDER BY 1")
    return [name for name in found if name.startswith(prefix)]


def test_migrations_run_once_for_all_tests_of_a_run(
    tested: UnderTest, project: Project, engine: Engine
) -> None:
    with opened_databases(tested, RUN, reuse=False) as one:
        with one.migrated() as first, one.migrated() as second:
            assert first != second
            # Another worker of the same run.
            with opened_databases(tested, RUN, reuse=False) as two, two.migrated():
                pass
        assert names(engine, f"bridge_pytest_{RUN}_") == [f"bridge_pytest_{RUN}_template"]
    assert names(engine, f"bridge_pytest_{RUN}_") == []
    assert (project.path / "runs").read_text() == "."


def test_a_template_is_kept_until_a_file_changes(
    tested: UnderTest, project: Project, engine: Engine
) -> None:
    kept = set(names(engine, "bridge_kept_"))

    def run() -> tuple[int, list[str]]:
        with opened_databases(tested, RUN, reuse=True) as databases, databases.migrated():
            runs = len((project.path / "runs").read_text())
        return runs, [name for name in names(engine, "bridge_kept_") if name not in kept]

    (once, [first]), again = run(), run()
    try:
        assert (once, again) == (1, (1, [first]))
        project.write("_helper", "x = 1\n")
        runs, [second] = run()
        assert runs == 2
        assert second != first
        first = second
    finally:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'DROP DATABASE "{first}"'))


def test_what_a_killed_run_has_left_is_dropped_and_what_a_living_one_uses_is_not(
    tested: UnderTest, engine: Engine
) -> None:
    with opened_databases(tested, ANOTHER, reuse=False) as living, living.empty() as used:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("CREATE DATABASE bridge_pytest_0baddead_1_1"))
        with opened_databases(tested, RUN, reuse=False):
            assert names(engine, "bridge_pytest_0baddead_") == []
            assert names(engine, f"bridge_pytest_{ANOTHER}_") == [used.database]


def test_a_migration_that_fails_is_not_run_for_each_test(
    tested: UnderTest, project: Project, engine: Engine
) -> None:
    project.write("002_broken", migration("002_broken", "SELEC 1"))
    with opened_databases(tested, RUN, reuse=False) as databases:
        for _ in range(2):
            with pytest.raises(MigrationError, match="002_broken"), databases.migrated():
                pass
        assert names(engine, f"bridge_pytest_{RUN}_") == []
    assert (project.path / "runs").read_text() == "."


def test_a_role_that_cannot_create_databases_is_told_so(
    tested: UnderTest, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"nocreate_{engine.url.database}"
    do(engine, f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
    try:
        monkeypatch.setenv(
            VARIABLE,
            engine.url.set(username=role, password="x").render_as_string(hide_password=False),
        )
        told = re.escape("could not be created: permission denied to create database. The role of")
        with (
            opened_databases(tested, RUN, reuse=False) as databases,
            pytest.raises(UsageError, match=told),
            databases.empty(),
        ):
            pass
    finally:
        do(engine, f'DROP ROLE "{role}"')


def test_a_server_that_is_not_there_is_told(
    tested: UnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql://someone@127.0.0.1:1/x")
    with (
        pytest.raises(BridgeError, match="TEST_DATABASE_URL"),
        opened_databases(tested, RUN, reuse=False),
    ):
        pass
