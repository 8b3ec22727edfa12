"""`eai migrate status`, and the completion of a shell."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from support.locked import holding
from support.project import Project
from support.running import column, do
from support.terminal import run_on_terminal, screen_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from sqlalchemy.engine import Engine


def with_files(project: Project, *stems: str) -> Project:
    for stem in stems:
        project.write(stem, f"description = 'About {stem}'\n\ndef upgrade(db):\n    db.commit()\n")
    return project


@pytest.fixture
def mixed(project: Project, engine: Engine) -> Project:
    """One migration in each state."""
    with_files(project, "001_a", "002_gone", "003_c", "005_e").eai("migrate", check=True)
    project.write("003_c", "description = 'Changed'\n\ndef upgrade(db):\n    pass\n")
    project.remove("002_gone")
    with_files(project, "004_late", "006_f")
    do(engine, "UPDATE schema_migrations SET execution_ms = 7, applied_at = '2026-03-01 09:30Z'")
    return project


def test_a_checklist_marks_what_is_applied(mixed: Project) -> None:
    done = mixed.eai("migrate", "status", "--checklist", check=True)
    assert done.stdout.splitlines() == [
        "[X] 001_a",
        "[X] 002_gone (file missing)",
        "[X] 003_c (changed)",
        "[X] 005_e",
        "[ ] 004_late (late)",
        "[ ] 006_f",
        "Current: 005_e. To apply: 2.",
    ]


def test_only_what_is_pending_is_shown(mixed: Project) -> None:
    done = mixed.eai("migrate", "status", "--pending", check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "004_late",
        "006_f",
        "Current:",
    ]
    marked = mixed.eai("migrate", "status", "--pending", "--checklist", check=True)
    assert marked.stdout.splitlines()[:2] == ["[ ] 004_late (late)", "[ ] 006_f"]
    told = json.loads(mixed.eai("migrate", "status", "--pending", "--json", check=True).stdout)
    assert [each["version"] for each in told["migrations"]] == told["pending"]
    mixed.eai("migrate", check=True)
    none = mixed.eai("migrate", "status", "--pending", check=True)
    assert none.stdout.splitlines()[0] == "No migration is pending."


def test_without_a_database_nobody_knows_what_is_pending(mixed: Project) -> None:
    for option in ("--pending", "--checklist"):
        done = mixed.eai("migrate", "status", "--offline", option)
        assert (done.returncode, done.stdout) == (2, "")
        assert "only a database knows what is applied" in done.stderr
    both = mixed.eai("migrate", "status", "--checklist", "--json")
    assert both.returncode == 2
    assert "give it or --json, not both" in both.stderr


def test_each_state_is_told_in_one_line_and_nothing_is_written(
    mixed: Project, engine: Engine
) -> None:
    before = column(engine, "SELECT schema_migrations::text FROM schema_migrations")
    done = mixed.eai("migrate", "status", check=True)
    at = "2026-03-01T09:30:00Z  7 ms "
    nothing = "-                     -    "
    assert done.stdout.splitlines() == [
        f"001_a     applied       {at} About 001_a",
        f"002_gone  file missing  {at} About 002_gone",
        f"003_c     changed       {at} About 003_c",
        f"005_e     applied       {at} About 005_e",
        f"004_late  late          {nothing} About 004_late",
        f"006_f     pending       {nothing} About 006_f",
        "Current: 005_e. To apply: 2.",
    ]
    first, *warnings = done.stderr.splitlines()
    assert first.startswith("Database ")
    assert [line.partition(" ")[0] for line in warnings] == ["Warning:", "Warning:"]
    assert "002_gone: applied to this database, but the file is gone" in warnings[0]
    assert "003_c.py was changed after having been applied" in warnings[1]
    assert column(engine, "SELECT schema_migrations::text FROM schema_migrations") == before


def test_json_has_the_documented_keys(mixed: Project) -> None:
    done = mixed.eai("migrate", "status", "--json", check=True)
    told = json.loads(done.stdout)
    assert list(told) == [
        *("current", "up_to_date", "pending", "problems", "warnings", "findings"),
        *("migrations", "lock"),
    ]
    assert [(each["id"], each["migration"]) for each in told["findings"]] == [
        ("file-missing", "002_gone"),
        ("changed", "003_c"),
        ("late", "004_late"),
    ]
    assert (told["current"], told["up_to_date"]) == ("005_e", False)
    assert told["pending"] == ["004_late", "006_f"]
    assert (told["problems"], len(told["warnings"])) == ([], 2)
    assert told["migrations"][1] == {
        "version": "002_gone",
        "description": "About 002_gone",
        "state": "file missing",
        "applied_at": told["migrations"][0]["applied_at"],
        "execution_ms": 7,
        "replaces": 0,
    }
    assert told["lock"] == json.loads(mixed.eai("migrate", "lock", "--json", check=True).stdout)
    assert "Warning" not in done.stderr


def test_check_exits_with_3_for_pending_and_4_for_a_problem(project: Project) -> None:
    with_files(project, "001_a")
    assert project.eai("migrate", "status", "--check").returncode == 3
    project.eai("migrate", check=True)
    done = project.eai("migrate", "status", "--check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "Current: 001_a. The database is up to date.",
    )
    project.write("002_b", "def upgrade(db:\n")
    done = project.eai("migrate", "status", "--check")
    assert done.returncode == 4
    assert done.stdout.splitlines()[-1] == "Current: 001_a. To apply: 1. 1 problem."
    assert re.search(r"Warning: An upgrade would be refused\. .*002_b\.py:1: ", done.stderr)


def test_whoever_migrates_now_is_named(project: Project, engine: Engine) -> None:
    with_files(project, "001_a")
    with holding(engine):
        done = project.eai("migrate", "status", check=True)
        told = json.loads(project.eai("migrate", "status", "--json", check=True).stdout)
        assert told["lock"]["held"]
    assert done.stdout.splitlines()[-1].startswith("The migration lock is held by backend ")


def test_offline_lists_the_files_and_asks_no_database(folder_project: Project) -> None:
    with_files(folder_project, "001_a")
    folder_project.write("002_b", "def upgrade(db:\n")
    env = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    done = folder_project.eai("migrate", "status", "--offline", env=env, check=True)
    assert done.stdout.splitlines() == [
        "001_a  unknown  -  -  About 001_a",
        "002_b  unknown  -  -  002_b",
        (
            f"2 files in {folder_project.migrations}. No database was asked, so nothing shows "
            "which are applied."
        ),
    ]
    assert "002_b.py:1: " in done.stderr
    told = json.loads(folder_project.eai("migrate", "status", "--offline", "--json").stdout)
    assert [told[key] for key in ("current", "up_to_date", "pending", "lock")] == [None] * 4
    assert len(told["problems"]) == 1
    assert [each["state"] for each in told["migrations"]] == ["unknown", "unknown"]


def test_offline_cannot_check_what_is_pending(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "status", "--offline", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "only a database knows what is pending; for the files alone use check" in done.stderr


def test_an_empty_folder_is_told(folder_project: Project) -> None:
    done = folder_project.eai("migrate", "status", "--offline", check=True)
    assert done.stdout == f"There is no migration in {folder_project.migrations}.\n"


def test_a_terminal_gets_a_table_in_colours_unless_it_wants_none(folder_project: Project) -> None:
    with_files(folder_project, "001_a")
    arguments = ("migrate", "status", "--offline")
    code, written = run_on_terminal(folder_project, *arguments, env={"COLUMNS": "80"})
    assert code == 0
    assert "\x1b[" in written
    head, rule, row, *_ = screen_of(written)
    assert head.split() == ["Version", "State", "Applied", "(UTC)", "Took", "Description"]
    assert set(rule) == {"─"}
    assert row.split() == ["001_a", "unknown", "-", "-", "About", "001_a"]
    env = {"NO_COLOR": "1", "COLUMNS": "80"}
    _, written = run_on_terminal(folder_project, *arguments, env=env)
    assert "\x1b" not in written
    assert screen_of(written)[0] == head


def completed(eai: Callable[..., CompletedProcess[str]], line: str) -> list[str]:
    """What bash would offer at the end of this line."""
    env = {
        "_EAI_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    done = eai(env=env, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_and_options_and_migrations(folder_project: Project) -> None:
    with_files(folder_project, "001_a", "002_b")
    eai = folder_project.eai
    assert completed(partial(folder_project.program, "eai"), "eai mi") == ["migrate"]
    assert "status" in completed(eai, "eai migrate ")
    assert completed(eai, "eai migrate status --o") == ["--offline"]
    assert completed(eai, "eai migrate --to ") == ["head", "001_a", "002_b"]
    assert completed(eai, "eai migrate downgrade 00") == ["001_a", "002_b"]


def test_completion_minds_the_configuration_and_never_complains(folder_project: Project) -> None:
    with_files(folder_project, "001_a")
    other = Project.create(folder_project.path / "other")
    with_files(other, "007_other")
    eai = folder_project.eai
    line = "eai migrate --config other/alembic.ini downgrade "
    assert completed(eai, line) == ["base", "007_other"]
    line = "eai migrate --config gone.ini downgrade "
    assert completed(eai, line) == ["base"]


def test_the_script_for_a_shell_is_printed(folder_project: Project) -> None:
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = folder_project.eai("--show-completion", "bash", env=env, check=True)
    assert "_EAI_COMPLETE=complete_bash" in done.stdout
    told = folder_project.eai("migrate", "--help", check=True).stdout
    assert "--install-completion" not in told
