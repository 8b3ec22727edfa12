"""`--target`, `--all`, `--targets` and `-n` on the command line, but for `eai migrate --all`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.tenants import Tenants

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

N = ("-n", "tenants")
#: Each command with what it needs beside a target, and its exit code where all is well.
COMMANDS = {
    "migrate": (),
    "status": ("status",),
    "status --check": ("status", "--check"),
    "downgrade": ("downgrade", "base", "--yes"),
    "repair": ("repair", "--yes"),
    "mark": ("mark", "001_one", "--applied", "--yes"),
    "rehearse": ("rehearse", "--yes"),
    "lock": ("lock",),
    "check": ("check", "--database"),
    "dry run": ("--dry-run",),
}
#: Those that work on each of several targets in turn.
EACH = ["downgrade", "repair", "mark", "rehearse", "lock", "check"]


@pytest.fixture
def tenants(project: Project) -> Tenants:
    (project.path / "app_tenants.py").write_text("names = ['a', 'b', 'other']\n")
    tenants = Tenants.of(project, "targets = app_tenants:names")
    tenants.files("001_one", "002_two")
    tenants.schemas("a", "b")
    return tenants


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works_on_one_target(tenants: Tenants, command: str) -> None:
    tenants.project.eai("migrate", *N, "--target", "a", "--to", "001", check=True)
    before = tenants.rows("a")
    done = tenants.project.eai("migrate", *N, "--target", "a", *COMMANDS[command])
    expected = 3 if command in {"status --check", "check"} else 0
    assert done.returncode == expected, done.stderr
    if command == "migrate":
        assert tenants.rows("a") == ["001_one", "002_two"]
    elif command == "downgrade":
        assert tenants.rows("a") == []
    else:
        assert tenants.rows("a") == before
    assert tenants.tables("public") == tenants.tables("b") == []


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if each not in {"migrate", "dry run"}]
)
def test_a_target_may_be_named_behind_the_command(tenants: Tenants, command: str) -> None:
    tenants.project.eai("migrate", *N, "--target", "a", check=True)
    name, *rest = COMMANDS[command]
    done = tenants.project.eai("migrate", name, *N, "--target", "a", *rest)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "dry run"])
def test_no_command_takes_the_database_for_a_target(tenants: Tenants, command: str) -> None:
    done = tenants.project.eai("migrate", *N, *COMMANDS[command])
    assert done.returncode == 2
    assert "The section [tenants] is for many targets, and none was named." in done.stderr
    assert tenants.tables("public") == []


@pytest.mark.parametrize("command", EACH)
@pytest.mark.parametrize(
    "which",
    [
        ("--target", "a", "--target", "b"),
        (
            "--target",
            "?",
        ),
    ],
    ids=["names", "pattern"],
)
def test_a_command_works_on_each_of_several(
    tenants: Tenants, command: str, which: tuple[str, ...]
) -> None:
    for name in ("a", "b"):
        tenants.project.eai("migrate", *N, "--target", name, check=True)
    done = tenants.project.eai("migrate", *N, *which, *COMMANDS[command], check=True)
    headings = [line for line in done.stdout.splitlines() if line.startswith("Target ")]
    assert headings == ["Target a:", "Target b:"]


def test_each_target_is_worked_on_after_one_that_failed(tenants: Tenants) -> None:
    for name in ("a", "b"):
        tenants.project.eai("migrate", *N, "--target", name, check=True)
    done = tenants.project.eai("migrate", "downgrade", "base", *N, "--all", "--yes")
    assert done.returncode == 2
    assert "The target other has no schema other in this database." in done.stderr
    assert (tenants.rows("a"), tenants.rows("b")) == ([], [])


def test_a_pattern_that_fits_nothing_is_refused(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", "lock", *N, "--target", "x*")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: No target is called 'x*'. Nothing was started.\n"


def test_a_name_that_looks_like_a_pattern_is_also_a_name(tenants: Tenants) -> None:
    tenants.schemas("a[b]")
    (tenants.project.path / "app_tenants.py").write_text("names = ['a[b]']\n")
    done = tenants.project.eai("migrate", "lock", *N, "--target", "a[b]", check=True)
    assert done.stdout.startswith("Target a[b]:")


def test_several_names_need_no_list(project: Project) -> None:
    tenants = Tenants.of(project)
    tenants.schemas("a", "b")
    done = project.eai("migrate", "lock", "--target", "a", "--target", "b", check=True)
    assert [line for line in done.stdout.splitlines() if line.startswith("Target ")] == [
        "Target a:",
        "Target b:",
    ]


@pytest.mark.parametrize("command", ["new x", "lint", "init"])
def test_a_command_without_a_database_takes_no_target(tenants: Tenants, command: str) -> None:
    done = tenants.project.eai("migrate", *N, "--target", "a", *command.split())
    assert done.returncode == 2
    name = command.split(maxsplit=1)[0]
    told = f"Invalid value for --target: {name} has no such option. Nothing was started."
    assert told in done.stderr
    done = tenants.project.eai("migrate", name, "--target", "a")
    assert done.returncode == 2
    assert "No such option: --target\n" in done.stderr


# Lists in a file


@pytest.fixture
def names(tenants: Tenants) -> Path:
    file = tenants.project.path / "names.txt"
    file.write_text('# ours\na\n{"name": "second", "schema": "b"}\n')
    return file


def test_a_file_lists_the_targets(tenants: Tenants, names: Path) -> None:
    where = (*N, "--targets", str(names))
    tenants.project.eai("migrate", *where, "--target", "second", check=True)
    assert tenants.rows("b") == ["001_one", "002_two"]
    done = tenants.project.eai("migrate", "lock", *where, "--all", check=True)
    headings = [line for line in done.stdout.splitlines() if line.startswith("Target ")]
    assert headings == ["Target a:", "Target second:"]


def test_standard_input_lists_the_targets(tenants: Tenants, names: Path) -> None:
    import subprocess
    import sys
    from pathlib import Path as AnyPath

    done = subprocess.run(
        [AnyPath(sys.executable).parent / "eai", "migrate", "lock", *N, "--targets", "-", "--all"],
        cwd=tenants.project.path,
        env=tenants.project.environ(),
        input=names.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("Target ")] == [
        "Target a:",
        "Target second:",
    ]


def test_a_file_that_cannot_be_read_is_named(tenants: Tenants, names: Path) -> None:
    missing = names.with_name("gone.txt")
    done = tenants.project.eai("migrate", "lock", *N, "--targets", str(missing), "--all")
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: The list of targets {missing} cannot be read: No such file or directory. Nothing "
        "was started.\n"
    )
    names.write_bytes(b"\xff")
    done = tenants.project.eai("migrate", "lock", *N, "--targets", str(names), "--all")
    assert done.stderr == (
        f"Error: The list of targets {names} cannot be read: it is not UTF-8 text. Nothing was "
        "started.\n"
    )


def test_the_target_is_told_with_the_database(tenants: Tenants) -> None:
    done = tenants.project.eai("migrate", *N, "--target", "a", "--log-format", "json", check=True)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    chosen = next(each for each in told if each["event"] == "run.database")
    assert chosen["message"].endswith("(from DATABASE_URL), target a")


def test_a_message_names_commands_with_the_section_and_the_target(tenants: Tenants) -> None:
    """What it says to type next does what it says, for this target and no other."""
    broken = "description = 'Broken'\n\n\ndef upgrade(db):\n    raise ValueError('no')\n"
    tenants.project.write("002_two", broken)
    failed = tenants.project.eai("migrate", *N, "--target", "a")
    assert failed.returncode == 1
    told = "type: eai migrate -n tenants --target a"
    assert told in failed.stderr.splitlines()[-1] or f"{told}\n" in failed.stderr, failed.stderr
    refused = tenants.project.eai("migrate", *N, "--target", "other")
    assert refused.stderr.endswith("type: eai migrate -n tenants provision other\n")
    slip = tenants.project.eai("migrate", *N, "--target", "amce")
    assert slip.stderr.endswith("All of them lists: eai migrate -n tenants status --all\n")
