"""`eai migrate downgrade`: how far it goes, what it asks, and what stays where it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import text

import bridge
from bridge.database.request import Request
from bridge.errors import TryAgain
from bridge.operations.downgrade import Downgrade, plan_downgrade, run_downgrade
from support.terminal import run_on_terminal, screen_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from support.project import Project

UP = """\
from sqlalchemy import text

description = "Adds {name}"

def upgrade(db):
    db.execute(text("CREATE TABLE {name} (id int)"))
"""
DOWN = """
def downgrade(db):
    db.execute(text("DROP TABLE {name}"))
"""
BROKEN_DOWN = """
def downgrade(db):
    db.execute(text("DROP TABLE {name}"))
    db.execute(text("SELECT 1 / 0"))
"""


def with_files(project: Project, *stems: str, down: str = DOWN) -> Project:
    for stem in stems:
        project.write(stem, (UP + down).format(name=stem.partition("_")[2]))
    return project


def applied(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT version FROM schema_migrations ORDER BY 1")))


@pytest.fixture
def three(project: Project, engine: Engine) -> Project:
    """Three migrations, all of them applied; the second one was the last."""
    for stems in (("001_a", "003_c"), ("002_b",)):
        with_files(project, *stems)
        bridge.upgrade(engine, config=project.path / "alembic.ini")
    return project


def test_what_was_applied_last_is_reverted_first(three: Project, engine: Engine) -> None:
    done = three.eai("migrate", "downgrade", "001", "--yes")
    assert done.returncode == 0
    assert done.stdout == "Reverted 2 migrations: the database is at 001_a.\n"
    first, *rest = done.stderr.splitlines()
    assert first.startswith("Database ")
    assert [re.sub(r"\d+\.\d\d s", "TIME", line) for line in rest] == [
        "  002_b  reverting: Adds b",
        "  002_b  reverted in TIME",
        "  003_c  reverting: Adds c",
        "  003_c  reverted in TIME",
    ]
    assert applied(engine) == ["001_a"]


@pytest.mark.parametrize("how", [("--steps", "1"), ("-1",)], ids=" ".join)
def test_steps_count_from_the_last_applied(
    three: Project, engine: Engine, how: tuple[str, ...]
) -> None:
    done = three.eai("migrate", "downgrade", *how, "-y", check=True)
    assert done.stdout == "Reverted 1 migration: the database is at 003_c.\n"
    assert applied(engine) == ["001_a", "003_c"]


def test_base_reverts_everything_and_then_there_is_nothing_to_revert(
    three: Project, engine: Engine
) -> None:
    done = three.eai("migrate", "downgrade", "base", "--yes", check=True)
    assert done.stdout == "Reverted 3 migrations: the database is at base.\n"
    assert applied(engine) == []
    again = three.eai("migrate", "downgrade", "base")  # nothing to ask about
    assert (again.returncode, again.stdout) == (0, "Nothing to revert: the database is at base.\n")


def test_dry_run_lists_and_reverts_nothing(three: Project, engine: Engine) -> None:
    done = three.eai("migrate", "downgrade", "--steps", "2", "--dry-run", check=True)
    assert done.stdout == (
        "Would revert 2 migrations, in this order:\n  002_b  Adds b\n  003_c  Adds c\n"
    )
    assert applied(engine) == ["001_a", "002_b", "003_c"]


def test_without_a_terminal_it_has_to_be_said_that_it_is_meant(
    three: Project, engine: Engine
) -> None:
    done = three.eai("migrate", "downgrade", "001")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "Error: This would revert 2 migrations (002_b, 003_c), but there is no terminal to ask "
        "on. Nothing was reverted. To do it without the question, add --yes.\n"
    )
    assert applied(engine) == ["001_a", "002_b", "003_c"]


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_at_a_terminal_it_lists_and_asks(
    three: Project, engine: Engine, answer: str, code: int
) -> None:
    ended, written = run_on_terminal(three, "migrate", "downgrade", "001", typed=f"{answer}\n")
    told = screen_of(written)
    start = told.index("Would revert 2 migrations, in this order:")
    assert told[start + 1 : start + 3] == ["  002_b  Adds b", "  003_c  Adds c"]
    assert told[start + 3].startswith("Revert them? [y/N]:")
    assert ended == code
    assert applied(engine) == (["001_a"] if answer == "y" else ["001_a", "002_b", "003_c"])
    expected = {
        "y": "Reverted 2 migrations: the database is at 001_a.",
        "n": "Nothing was reverted.",
    }
    assert told[-1].endswith(expected[answer])


def test_a_file_without_downgrade_is_refused_before_anything_runs(
    three: Project, engine: Engine
) -> None:
    with_files(three, "003_c", down="")
    done = three.eai("migrate", "downgrade", "base", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "003_c.py has no downgrade(db), so it cannot be reverted. Nothing was run." in (
        done.stderr
    )
    assert done.stderr.endswith("to this migration: eai migrate downgrade 003_c\n")
    assert applied(engine) == ["001_a", "002_b", "003_c"]


def test_a_file_that_is_gone_is_refused_before_anything_runs(
    three: Project, engine: Engine
) -> None:
    three.remove("003_c")
    done = three.eai("migrate", "downgrade", "base", "--yes")
    assert done.returncode == 4
    assert "003_c was applied to this database, but its file is gone" in done.stderr
    assert done.stderr.endswith("to this migration: eai migrate downgrade 003_c\n")
    assert applied(engine) == ["001_a", "002_b", "003_c"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Type how far to go back, in one of two ways: REV"),
        (("001", "--steps", "1"), "Type how far to go back, in one of two ways: REV"),
        (("--steps", "9", "--yes"), "Nothing was run."),
        (("--yess",), "There is no option --yess. Nothing was reverted."),
        (("999", "--yes"), "999"),
    ],
)
def test_wrong_usage_has_exit_code_2(
    three: Project, engine: Engine, arguments: tuple[str, ...], sentence: str
) -> None:
    done = three.eai("migrate", "downgrade", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert applied(engine) == ["001_a", "002_b", "003_c"]


def test_an_option_of_migrate_s_own_is_not_silently_left_out(
    three: Project, engine: Engine
) -> None:
    done = three.eai("migrate", "--dry-run", "downgrade", "base", "--yes")
    assert done.returncode == 2
    assert "--dry-run: write it after downgrade" in done.stderr
    assert applied(engine) == ["001_a", "002_b", "003_c"]


def test_a_failure_says_what_stays_and_how_to_go_on(three: Project, engine: Engine) -> None:
    """Going on means to get to the same place, not to go back as many steps once more."""
    with_files(three, "003_c", down=BROKEN_DOWN)
    done = three.eai("migrate", "downgrade", "--steps", "2", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: 003_c failed to downgrade: " in done.stderr
    assert "Everything it did was rolled back. It is still recorded as applied." in done.stderr
    assert "002_b was reverted before it and stays so." in done.stderr
    assert done.stderr.endswith("Correct the file, and type: eai migrate downgrade 001_a\n")
    assert applied(engine) == ["001_a", "003_c"]


def test_a_failure_of_alembic_downgrade_names_that_command(three: Project) -> None:
    with_files(three, "002_b", down=BROKEN_DOWN)
    done = three.alembic("downgrade", "base")
    assert done.stderr.endswith("Correct the file, and type: alembic downgrade base\n")


def test_a_relative_target_of_alembic_s_counts_what_was_reverted(three: Project) -> None:
    with_files(three, "003_c", down=BROKEN_DOWN)
    done = three.alembic("downgrade", "-2")
    assert done.stderr.endswith("Correct the file, and type: alembic downgrade -1\n")


def test_a_program_s_downgrade_is_told_to_downgrade_again(three: Project, engine: Engine) -> None:
    with_files(three, "002_b", down=BROKEN_DOWN)
    config = Config(three.path / "alembic.ini", attributes={"connection": engine})
    with pytest.raises(CommandError) as caught:
        command.downgrade(config, "-1")
    assert str(caught.value).endswith("Correct the file, and downgrade again.")


def test_nothing_is_reverted_that_nobody_agreed_to(three: Project, engine: Engine) -> None:
    request = Request(database=engine, config=three.path / "alembic.ini")
    agreed = plan_downgrade(request, to="003")
    assert [each.stem for each in agreed.planned] == ["002_b"]
    with_files(three, "004_d")
    bridge.upgrade(engine, config=three.path / "alembic.ini")
    with pytest.raises(TryAgain) as caught:
        run_downgrade(request, to="003", agreed=agreed)
    assert str(caught.value) == (
        "Another process has changed what is applied to this database. This downgrade would now "
        "revert 004_d, 002_b and not 002_b. Nothing was reverted. Run the same command again."
    )
    assert applied(engine) == ["001_a", "002_b", "003_c", "004_d"]
    now = run_downgrade(request, to="003")
    assert isinstance(now, Downgrade)
    assert now.at == "003_c"
    assert applied(engine) == ["001_a", "003_c"]
