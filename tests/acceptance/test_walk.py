"""A recorded walk through the commands: tests/walk/walk.txt, run again and compared.

The file reads like a terminal: `$ ` begins a command, `> ` continues it, and what follows is what
it wrote, standard error included. An exit status other than 0 is noted. To record it anew, and
then to read what changed with `git diff`:

    WALK_RECORD=1 pytest tests/acceptance/test_walk.py

Each command runs as the program that is installed where it is met first, and after that in the
process of the test, which is quicker.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.database.embedded.server import EmbeddedServer
from support.in_process import run_in_process
from support.old_runner import run_old_runner
from support.project import TIMEOUT, Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

WALK = Path(__file__).parents[1] / "walk" / "walk.txt"

#: The database of a run, as every command names it.
_ADDRESS = r"(?<=atabase )bridge_test_.+(?= \(from DATABASE_URL\))"
#: What differs from run to run, and what the walk shows in place of it. Nothing else is touched.
NORMALISED = (
    (_ADDRESS, "shop on HOST, port PORT as USER"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "YYYY-MM-DDThh:mm:ss"),
    (r"\d+\.\d\d s\b", "N.NN s"),
    (r'(?<="execution_ms": )\d+', "N"),
    # The column of `status` for durations, which is as wide as the longest one.
    (r"  [\d.]+ m?s +(?=[A-Za-z])", "  N ms  "),
    (r"  - +(?=\w)", "  -     "),
)

OLD_FILES = {
    "001_add_accounts": """
        CREATE TABLE accounts (id BIGSERIAL PRIMARY KEY, email TEXT NOT NULL UNIQUE)
    """,
    "002_add_invoices": """
        CREATE TABLE invoices (
            id BIGSERIAL PRIMARY KEY,
            account_id BIGINT NOT NULL REFERENCES accounts (id)
        )
    """,
    "002_add_plans": """
        CREATE TABLE plans (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL)
    """,
    "003_invoices_have_a_currency": """
        ALTER TABLE invoices ADD COLUMN currency CHAR(3) NOT NULL DEFAULT 'EUR'
    """,
}

MODELS = """\
from sqlalchemy import CHAR, BigInteger, ForeignKey, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)


class Invoice(Base):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    currency: Mapped[str] = mapped_column(CHAR(3), server_default=text("'EUR'"))


class Plan(Base):
    __tablename__ = "plans"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class Widget(Base):
    __tablename__ = "widgets"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text, index=True)
    colour: Mapped[str | None] = mapped_column(Text)
"""


def old_file(stem: str, sql: str) -> str:
    title = stem.partition("_")[2].replace("_", " ").capitalize()
    return f'''\
"""
Migration: {title}
"""

description = "{title}"


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    db.execute(text("""{sql.rstrip()}
    """))
    db.commit()
'''


@pytest.fixture
def team(tmp_path: Path, database_url: URL, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder of plain files, its models, and a database that has all files but the last."""
    project = Project(tmp_path / "project", database_url)
    project.migrations.mkdir(parents=True)
    (project.path / "models.py").write_text(MODELS)
    *applied, last = OLD_FILES
    for stem in applied:
        project.write(stem, old_file(stem, OLD_FILES[stem]))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "dont_write_bytecode", True)  # the walk lists the folder
        run_old_runner(database_url, project.migrations)
    project.write(last, old_file(last, OLD_FILES[last]))
    return project


@pytest.fixture
def embedded(server_url: URL) -> Iterator[Path]:
    """The folder of the embedded server that `lint` uses: the tests' own, if they have one."""
    path = Path(tempfile.gettempdir()) / f"bridge-tests-{os.environ['BRIDGE_TESTS_RUN']}"
    yield path
    if "TEST_DATABASE_URL" in os.environ:
        EmbeddedServer(path).destroy()


def test_the_walk(team: Project, embedded: Path, server_url: URL) -> None:
    recorded = WALK.read_text(encoding="utf-8")
    scratch = server_url.render_as_string(hide_password=False)
    env = team.environ({"BRIDGE_EMBEDDED_DATA": str(embedded), "BRIDGE_SCRATCH_URL": scratch})
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    met: set[str] = set()
    walked = "".join(shown(each, run(each, team.path, env, met)) for each in commands(recorded))
    if os.environ.get("WALK_RECORD"):
        WALK.write_text(walked, encoding="utf-8")
        return
    before, now = (text.splitlines(keepends=True) for text in (recorded, walked))
    diff = "".join(unified_diff(before, now, fromfile=str(WALK), tofile="this run"))
    if diff:
        pytest.fail(f"{diff}\nIf that is meant: WALK_RECORD=1", pytrace=False)


def commands(walk: str) -> list[str]:
    """What is typed, each a command of one or several lines."""
    typed = re.findall(r"^\$ .*\n(?:^> ?.*\n)*", walk, re.MULTILINE)
    return [re.sub(r"^(\$|>) ?", "", each, flags=re.MULTILINE) for each in typed]


def run(command: str, folder: Path, env: dict[str, str], met: set[str]) -> str:
    """What a person sees of it; `met` are the commands that have run as programs."""
    if command.startswith("# "):
        return ""
    name = re.match(r"(eai|alembic)( [a-z]+){1,2}", command)
    if name and name[0] in met:
        done = run_in_process(*shlex.split(command), cwd=folder, env=env, merged=True)
    else:
        done = run_program(command, folder, env)
    if name:
        met.add(name[0])
    told = done.stdout.replace(str(folder), "PROJECT")
    for pattern, instead in NORMALISED:
        told = re.sub(pattern, instead, told)
    # Else the next command would stand behind it, and be lost.
    told += "" if told.endswith("\n") or not told else "[no end of line]\n"
    return told + (f"[exit status {done.returncode}]\n" if done.returncode else "")


def run_program(
    command: str, folder: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


def shown(command: str, told: str) -> str:
    first, *more = command.splitlines()
    return "\n".join([f"$ {first}", *(f"> {line}".rstrip() for line in more), told])
