"""The help of every command: it fits a terminal, and its commands come first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from click.testing import CliRunner as ClickRunner
from typer.testing import CliRunner

from bridge import __version__
from bridge.cli import app, make, migrate
from bridge.cli.other_words import _MEANT

COMMANDS: dict[str, Any] = getattr(typer.main.get_command(migrate), "commands", {})
DB: dict[str, Any] = getattr(
    getattr(typer.main.get_command(app), "commands", {})["db"], "commands", {}
)
ALL = [
    [],
    ["migrate"],
    ["db"],
    *(["migrate", name] for name in COMMANDS),
    *(["db", name] for name in DB),
]


def run(*words: str, group: typer.Typer = app, name: str = "eai", columns: int = 80) -> Any:
    # One column stays free, as on a terminal.
    return CliRunner().invoke(group, [*words], prog_name=name, env={"COLUMNS": str(columns)})


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_fits_80_columns_and_has_a_short_spelling(words: list[str]) -> None:
    long, short = run(*words, "--help"), run(*words, "-h")
    assert (long.exit_code, short.exit_code) == (0, 0)
    assert long.output == short.output
    wide = [line for line in long.output.splitlines() if len(line) > 80]
    assert wide == []


@pytest.mark.parametrize("words", [[], ["migrate"], ["db"]], ids=" ".join)
def test_commands_are_listed_before_options_and_none_is_cut(words: list[str]) -> None:
    told = run(*words, "--help").output
    assert 0 < told.index("\nCommands:") < told.index("\nOptions:")
    assert "..." not in told.partition("\nCommands:")[2].partition("\nOptions:")[0]
    if "Examples:" in told:
        assert told.index("\nOptions:") < told.index("  Examples:")


def test_the_release_is_told() -> None:
    told = run("--version")
    assert told.exit_code == 0
    assert told.output.startswith(f"bridge {__version__} (Alembic 1.")
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}." in told.output


APPLIES = (
    "eai migrate does that: it applies what is pending. Up to one of them: eai migrate --to NAME"
)
SHOWS = "What is applied and what is pending shows: eai migrate status"
RECORDS = "To record a migration without running it, type: eai migrate mark NAME --applied"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("migrate upgrade head", APPLIES),
        ("migrate up", APPLIES),
        ("migrate history", SHOWS),
        ("migrate current", SHOWS),
        ("migrate info", SHOWS),
        ("migrate showmigrations", "Type: eai migrate status --checklist"),
        ("migrate stamp 004", RECORDS),
        ("migrate statsu", "Did you mean 'status'?"),
        ("status", "Type: eai migrate status"),
        ("upgrade", APPLIES),
    ],
)
def test_a_word_of_another_tool_points_to_the_command(typed: str, told: str) -> None:
    words = typed.split()
    wrong = words[1] if words[0] == "migrate" else words[0]
    done = run(*words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: No such command {wrong!r}. {told}"


def test_no_word_of_another_tool_is_a_command_of_ours() -> None:
    assert not _MEANT.keys() & COMMANDS.keys()


@pytest.mark.parametrize("word", sorted(_MEANT))
def test_what_is_pointed_to_is_a_command(word: str) -> None:
    typed = _MEANT[word].format("eai migrate").split("eai migrate")[1:]
    first = [each.split()[0].rstrip(",.") for each in typed if each.strip() and each[:1] == " "]
    named = [each for each in first if each not in {"does", "--to", "--sql"}]
    assert [each for each in named if each not in COMMANDS] == []
    assert named or "does that" in _MEANT[word]


def test_the_examples_name_the_group_as_it_is_mounted() -> None:
    theirs = typer.Typer(context_settings={"help_option_names": ["--help"]})
    theirs.add_typer(make(), name="db")
    theirs.command("other")(lambda: None)
    for words in (["db"], ["db", "status"]):
        told = run(*words, "--help", group=theirs, name="shop").output
        assert "eai migrate" not in told
        assert "shop db status --check" in told or "shop db --dry-run" in told
    assert run("db", "-h", group=theirs, name="shop").exit_code == 0
    wrong = run("db", "upgrade", group=theirs, name="shop")
    assert "shop db does that" in wrong.stderr


@pytest.mark.parametrize("words", [[], ["check"]], ids=" ".join)
def test_in_a_command_line_drawn_by_rich_the_help_is_the_same(words: list[str]) -> None:
    """Rich would put the commands last, and fold the text as if its lines were paragraphs."""
    theirs = typer.Typer(rich_markup_mode="rich")
    theirs.add_typer(make(prog="eai migrate"), name="migrate")
    theirs.command("other")(lambda: None)
    told = run("migrate", *words, "--help", group=theirs).output
    assert told == run("migrate", *words, "--help").output


def test_the_examples_name_what_make_was_told() -> None:
    group = make(prog="python manage.py migrate")
    told = run("check", "--help", group=group, name="manage.py").output
    assert "    python manage.py migrate check --base origin/main --strict" in told
    wrong = run("history", group=group, name="manage.py")
    assert "python manage.py migrate status" in wrong.stderr


def test_messages_name_what_make_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIGRATION_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "migrations").mkdir()
    config = tmp_path / "alembic.ini"
    config.write_text(
        "[alembic]\nscript_location = bridge:environment\n"
        "version_locations = %(here)s/migrations\npath_separator = os\n"
    )
    for words in (["--dry-run"], ["status"], ["wait"]):
        told = run(*words, group=make(config=config, prog="shop db"), name="shop").stderr
        assert told.startswith("Error: No database is named.")
        assert told.endswith(" type: shop db --embedded\n")


def test_in_a_group_of_click_s_the_help_is_the_same() -> None:
    theirs = click.Group("shop")
    command: Any = typer.main.get_command(make())
    theirs.add_command(command, "db")
    told = ClickRunner().invoke(theirs, ["db", "-h"], prog_name="shop")
    assert told.exit_code == 0
    assert told.output.index("\nCommands:") < told.output.index("\nOptions:")
    assert "    shop db --dry-run" in told.output


def test_python_m_bridge_names_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "migrate", "new", "-h"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert '    python -m bridge migrate new "add widgets"' in done.stdout
