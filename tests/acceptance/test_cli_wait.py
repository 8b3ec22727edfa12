"""`eai migrate wait`: a process that must not migrate waits for the one that does."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from bridge.database.request import Request
from bridge.errors import TryAgain
from bridge.operations.wait import wait_until_applied
from support.locked import holding
from support.recording import Recording
from support.running import ask, column, do, starting

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

    from support.project import Project

DONE = "Nothing is pending: the database is up to date.\n"


def with_files(project: Project, *stems: str) -> Project:
    for stem in stems:
        project.write(stem, "description = 'x'\n\ndef upgrade(db):\n    db.commit()\n")
    return project


def test_it_ends_as_soon_as_another_process_has_applied_all(project: Project) -> None:
    with_files(project, "001_a", "002_b")
    with starting(project) as start:
        waiting = start("eai", "migrate", "wait")
        told = waiting.told("Waiting: ")
        assert told == (
            "Waiting: 2 migrations are pending: 001_a, 002_b. Nobody is migrating this database "
            "now."
        )
        assert not waiting.ended
        project.eai("migrate", check=True)
        ended = waiting.end()
    assert (ended.code, ended.out) == (0, DONE)


def test_with_nothing_pending_it_ends_at_once(project: Project) -> None:
    with_files(project, "001_a").eai("migrate", check=True)
    done = project.eai("migrate", "wait", "--timeout", "0")
    assert (done.returncode, done.stdout) == (0, DONE)
    assert "Waiting" not in done.stderr


def test_it_says_who_migrates_and_ends_with_75_when_the_time_is_over(
    project: Project, engine: Engine
) -> None:
    with_files(project, "001_a").eai("migrate", check=True)
    with_files(project, "002_b")
    with holding(engine, "002_b") as pid:
        done = project.eai("migrate", "wait", "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (75, "")
    assert "Waiting: 1 migration is pending: 002_b." in done.stderr
    assert str(pid) in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: Waited 0.5 s for the migrations to be applied. 1 migration is")
    assert last.endswith("Nothing was changed. To apply them, type: eai migrate")


def test_the_setting_says_how_long_and_the_time_must_be_one(project: Project) -> None:
    with_files(project, "001_a")
    done = project.eai("migrate", "wait", env={"BRIDGE_WAIT_FOR_LOCK": "0.2"})
    assert done.returncode == 75
    assert "Waited 0.2 s for" in done.stderr
    wrong = project.eai("migrate", "wait", "--timeout", "-1")
    assert wrong.returncode == 2
    assert "it must be a number of seconds" in wrong.stderr


def test_what_a_run_would_refuse_ends_it_with_4(project: Project, engine: Engine) -> None:
    with_files(project, "001_a").eai("migrate", check=True)
    with_files(project, "002_b")
    do(engine, "UPDATE schema_migrations SET version = 'other'")
    done = project.eai("migrate", "wait")
    assert done.returncode == 4
    assert "Error: " in done.stderr


def test_a_role_that_may_only_read_can_wait(project: Project, engine: Engine) -> None:
    """Whether it could migrate is no matter of its."""
    with_files(project, "001_a").eai("migrate", check=True)
    assert project.url is not None
    read_only = project.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    url = read_only.render_as_string(hide_password=False)
    done = project.eai("migrate", "--database-url", url, "wait", "--timeout", "0")
    assert (done.returncode, done.stdout) == (0, DONE)


def test_it_writes_nothing_and_takes_no_lock(project: Project, engine: Engine) -> None:
    with_files(project, "001_a")
    done = project.eai("migrate", "wait", "--timeout", "0")
    assert done.returncode == 75
    assert (
        column(engine, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        == []
    )
    held = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
    held += "WHERE locktype = 'advisory' AND datname = current_database()"
    assert ask(engine, held) == 0


def test_sigterm_ends_it_at_once(project: Project) -> None:
    with_files(project, "001_a")
    with starting(project) as start:
        waiting = start("eai", "migrate", "wait")
        waiting.told("Waiting: ")
        waiting.process.send_signal(signal.SIGTERM)
        ended = waiting.end()
    assert ended.code == 143
    assert ended.out == ""
    assert ended.err.splitlines()[-1] == "Interrupted by SIGTERM."


def test_a_server_that_does_not_answer_is_waited_for(project: Project) -> None:
    with_files(project, "001_a")
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    done = project.eai("migrate", "--database-url", url, "wait", "--timeout", "0.5")
    assert done.returncode == 75
    unreachable = (
        "No connection to database nothing on 127.0.0.1:1 as nobody (from --database-url): nothing "
        "listens there. Check that the server runs, and the host and the port."
    )
    over = "Error: Waited 0.5 s for the migrations to be applied."
    assert done.stderr.splitlines()[1:] == [
        f"Waiting: {unreachable}",
        f"{over} {unreachable} Nothing was changed. Then type the same command again.",
    ]


def test_json_tells_what_it_waits_for(project: Project) -> None:
    with_files(project, "001_a")
    done = project.eai("migrate", "--log-format", "json", "wait", "--timeout", "0.3")
    assert done.returncode == 75
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(
        each["event"] == "note" and each["message"].startswith("Waiting: 1 migration is pending")
        for each in told
    )
    assert told[-1]["exit_code"] == 75


def test_what_is_waited_for_is_told_once_and_again_when_it_changes(
    project: Project, engine: Engine, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_files(project, "001_a", "002_b")
    monkeypatch.setattr("bridge.waiting.TELL_EVERY", 0.0)
    looks = 0

    def after_a_look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            project.eai("migrate", "--to", "001", check=True)
        if looks == 6:
            raise TryAgain("enough")

    monkeypatch.setattr("bridge.waiting.sleep", after_a_look)
    recording = Recording()
    url = database_url.render_as_string(hide_password=False)
    request = Request(database=url, config=project.path / "alembic.ini", reporter=recording)
    with pytest.raises(TryAgain, match="enough"):
        wait_until_applied(request)
    assert [each.partition(". ")[0] for each in recording.notes] == [
        "Waiting: 2 migrations are pending: 001_a, 002_b",
        "Waiting: 1 migration is pending: 002_b",
    ]
