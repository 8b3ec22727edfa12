"""`bridge.start()` on a database, under each value of BRIDGE_STARTUP."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

import bridge
from bridge.errors import LedgerError, Pending
from bridge.startup.start import pending_sentence
from support.running import CREATE_LOG, ask, assert_applied, do, migration

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project


#: Makes the table before the first row is written.
FIRST = f"    db.execute(text({CREATE_LOG!r}))\n    db.execute"


@pytest.fixture
def two(project: Project) -> Project:
    """Two migrations, both pending."""
    project.write("001_log", migration("001_log").replace("    db.execute", FIRST, 1))
    project.write("002_more", migration("002_more"))
    return project


def start(project: Project, way: str, **options: Any) -> bridge.Report:
    config = project.path / "alembic.ini"
    if way == "start":
        return bridge.start(project.url, config=config, **options)
    return asyncio.run(bridge.start_async(project.url, config=config, **options))


both_ways = pytest.mark.parametrize("way", ["start", "start_async"])


@both_ways
def test_it_upgrades(two: Project, engine: Engine, way: str) -> None:
    report = start(two, way)
    assert [each.stem for each in report.applied] == ["001_log", "002_more"]
    assert_applied(engine, "001_log", "002_more")
    assert start(two, way).applied == ()


APPLIED = "Applied 2 migrations: 001_log, 002_more. The database is up to date."


@both_ways
def test_what_was_applied_is_logged_in_one_line(
    two: Project, way: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "bridge"):
        start(two, way)
        start(two, way)
    assert [each.getMessage() for each in caplog.records].count(APPLIED) == 1
    assert capsys.readouterr().err == ""


@both_ways
def test_where_nobody_has_set_up_a_log_one_line_says_what_was_applied(
    two: Project, way: str
) -> None:
    call = "asyncio.run(bridge.start_async())" if way == "start_async" else "bridge.start()"
    script = f"import asyncio, bridge\n{call}\n{call}\n"
    assert two.program("python", "-c", script, check=True).stderr == f"bridge: {APPLIED}\n"


@both_ways
def test_a_reporter_of_the_callers_is_told_and_nobody_else(
    two: Project, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "bridge"):
        start(two, way, reporter=bridge.Reporter())
    assert caplog.records == []


@both_ways
def test_check_names_what_is_pending_and_writes_nothing(
    two: Project, engine: Engine, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    with pytest.raises(Pending) as pending:
        start(two, way)
    assert str(pending.value) == pending_sentence(["001_log", "002_more"])
    assert pending.value.exit_code == 3
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert ask(engine, tables) == 0


@both_ways
def test_check_is_content_when_nothing_is_pending(
    two: Project, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge.upgrade(two.url, config=two.path / "alembic.ini")
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    assert start(two, way).applied == ()


def test_check_refuses_and_tells_what_an_upgrade_would(
    two: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bridge.upgrade(two.url, config=two.path / "alembic.ini")
    monkeypatch.setenv("BRIDGE_STARTUP", "check")
    two.write("001_log", migration("001_log", "SELECT 1"))
    with caplog.at_level(logging.WARNING, "bridge"):
        start(two, "start")
    assert "001_log" in caplog.text
    do(engine, "DELETE FROM schema_migrations")
    with pytest.raises(LedgerError, match="stamp 002_more"):
        start(two, "start")


def test_the_setting_in_the_configuration_counts_as_well(two: Project) -> None:
    two.ini(extra="startup = check\n")
    with pytest.raises(Pending):
        start(two, "start")


def test_upgrade_and_the_command_do_what_they_are_told(
    two: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_STARTUP", "off")
    bridge.upgrade(two.url, config=two.path / "alembic.ini", to="001_log")
    two.eai("migrate", env={"BRIDGE_STARTUP": "check"}, check=True)
    assert_applied(engine, "001_log", "002_more")
