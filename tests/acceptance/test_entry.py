"""`eai migrate` says and does the same where its words are read without Typer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from bridge.cli import entry
from bridge.cli.options import Options
from support.project import Project
from support.running import column

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL


CREATE = """\
from sqlalchemy import text

description = "Adds a table"

def upgrade(db):
    db.execute(text("CREATE TABLE made_by_{stem} ()"))
    db.commit()
"""


def pending(project: Project) -> None:
    for stem in ("001_a", "002_b"):
        project.write(stem, CREATE.format(stem=stem))


def nothing_to_do(project: Project) -> None:
    pending(project)
    project.eai("migrate", check=True)


def one_fails(project: Project) -> None:
    pending(project)
    project.write("002_b", "def upgrade(db):\n    1 / 0\n")


def one_cannot_be_read(project: Project) -> None:
    project.write("001_a", "def upgrade(db:\n")


def one_prints_and_logs(project: Project) -> None:
    code = """
        import logging
        def upgrade(db):
            print("printed")
            logging.getLogger("team").warning("logged")
        """
    project.write("001_a", code)


def one_exits(project: Project) -> None:
    project.write("001_a", "import sys\n\ndef upgrade(db):\n    sys.exit(0)\n")


def one_is_late_and_one_is_missing(project: Project) -> None:
    nothing_to_do(project)
    project.write("000_late", CREATE.format(stem="000_late"))
    project.remove("002_b")


def no_folder(project: Project) -> None:
    project.migrations.rmdir()


def a_wrong_setting(project: Project) -> None:
    project.ini(extra="drift = perhaps\n")


def nobody_answers(project: Project) -> None:
    project.ini(extra="sqlalchemy.url = postgresql://app:secret@127.0.0.1:1/app\n")


SITUATIONS: list[Callable[[Project], None]] = [
    *(pending, nothing_to_do, one_fails, one_cannot_be_read, one_prints_and_logs, one_exits),
    *(one_is_late_and_one_is_missing, no_folder, a_wrong_setting, nobody_answers),
]


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "--log-format json",
        "-v -c alembic.ini --database-url={url}",
        "--embedded=x",
        "-c gone.ini",
        "--database-url=mysql://app:secret@db/app",
        "--wait-for-lock=soon",
    ],
)
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.__name__)
def test_it_says_and_does_what_it_does_through_typer(
    situation: Callable[[Project], None],
    spelling: str,
    create_database: Callable[[], URL],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []
    for way in ("by itself", "through Typer"):
        project = Project.create(tmp_path / way.replace(" ", "_"), create_database())
        situation(project)
        if way == "through Typer":
            monkeypatch.setattr(entry, "plain_options", lambda *_, **__: None)
        ended.append(end_of(project, spelling))
    assert ended[0] == ended[1]


def end_of(project: Project, spelling: str) -> list[object]:
    """The exit status, what was said, and what is there afterwards, in words of any database."""
    assert project.url is not None
    url = project.url.render_as_string(hide_password=False)
    ini = (project.path / "alembic.ini").read_text()
    env = {"DATABASE_URL": None} if "sqlalchemy.url" in ini else None
    done = project.eai("migrate", *spelling.format(url=url).split(), env=env)
    engine = create_engine(project.url, poolclass=NullPool)
    there = column(engine, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    said = [done.stdout, done.stderr]
    for own, word in ((str(project.path), "PROJECT"), (str(project.url.database), "DATABASE")):
        said = [text.replace(own, word) for text in said]
    said = [
        re.sub(r"\d+\.\d+ s|\"seconds\": [\d.]+|\"ts\": \"[^\"]+", "TIME", text) for text in said
    ]
    return [done.returncode, there, *said]


@pytest.mark.parametrize("words", [["migrate"], ["migrate", "--to", "head"]])
def test_ctrl_c_before_anything_began_is_130(
    words: list[str], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_options: Options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Options, "run", interrupted)
    done = project.eai(*words)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_shell_that_asks_for_completions_is_answered_by_typer(project: Project) -> None:
    """Also behind a word that is a command by itself."""
    asked = {"_EAI_COMPLETE": "complete_bash", "COMP_WORDS": "eai migrate st", "COMP_CWORD": "2"}
    done = project.eai("migrate", env=asked)
    assert done.stdout.split() == ["status"]
