"""Variables and arguments whose bytes are no text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import URL

import bridge
from bridge.errors import UsageError
from support.in_process import run_in_process
from support.project import TIMEOUT, Project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all names are text")

#: An é in Latin-1, as Python shows it.
BYTES = os.fsdecode(b"caf\xe9")
PASSWORD = f"postgresql://app:Zq7{BYTES}@127.0.0.1:1/app"
#: What most machines have; a C locale is more lenient.
STRICT = {"PYTHONIOENCODING": "utf-8:strict"}

EAI: dict[str, list[str]] = {
    "eai": ["eai", "migrate"],
    "status": ["eai", "migrate", "status"],
    "json": ["eai", "migrate", "--log-format", "json"],
    "sql": ["eai", "migrate", "--sql"],
    "alembic": ["alembic", "upgrade", "head"],
}


def ended(
    project: Project, *command: str, env: dict[str, str], at: Path | None = None
) -> tuple[int, str]:
    name, *arguments = command
    environ = project.environ(env)
    done = run_in_process(name, *arguments, cwd=at or project.path, env=environ, merged=True)
    return done.returncode, done.stdout


def ended_process(
    project: Project, *command: str, env: dict[str, str], at: Path | None = None
) -> tuple[int, str]:
    """As `ended`, of a process of its own."""
    name, *arguments = command
    done = subprocess.run(
        [Path(sys.executable).parent / name, *arguments],
        cwd=at or project.path,
        env=project.environ(STRICT | env),
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
    )
    return done.returncode, os.fsdecode(done.stdout + done.stderr)


def test_a_process_gets_the_bytes_as_they_are(folder_project: Project) -> None:
    for command, env, where in (
        (["eai", "migrate"], {"DATABASE_URL": PASSWORD}, "DATABASE_URL"),
        (["eai", "migrate", "--database-url", PASSWORD], {}, "--database-url"),
        (["alembic", "-x", f"database_url={PASSWORD}", "current"], {}, "-x database_url=URL"),
    ):
        status, told = ended_process(folder_project, *command, env=env)
        assert (status, "Zq7" in told) == (2, False)
        assert f"{where} holds bytes that are not text in UTF-8." in told


@pytest.mark.parametrize("command", EAI.values(), ids=EAI)
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", PASSWORD),
        ("MIGRATION_DATABASE_URL", PASSWORD),
        ("BRIDGE_VERSION_TABLE", BYTES),
        ("BRIDGE_WAIT_FOR_LOCK", BYTES),
    ],
)
def test_a_variable_that_is_no_text_is_wrong_usage(
    folder_project: Project, command: list[str], variable: str, value: str
) -> None:
    folder_project.write("001_first", "def upgrade(db): pass\n")
    status, told = ended(folder_project, *command, env={variable: value})
    assert status == 2
    assert f"{variable} holds bytes that are not text in UTF-8." in told
    assert "Traceback" not in told
    assert "Zq7" not in told


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (["eai", "migrate", "--database-url", PASSWORD], "--database-url"),
        (["eai", "migrate", "--log-format", BYTES], "log_format (--log-format)"),
        (["alembic", "-x", f"database_url={PASSWORD}", "current"], "-x database_url=URL"),
        (["alembic", "-x", f"ledger_table={BYTES}", "current"], "-x ledger_table"),
    ],
)
def test_an_argument_that_is_no_text_is_wrong_usage(
    folder_project: Project, command: list[str], where: str
) -> None:
    status, told = ended(folder_project, *command, env={})
    assert status == 2
    assert f"{where} holds bytes that are not text in UTF-8." in told
    assert "Traceback" not in told
    assert "Zq7" not in told


def test_the_library_raises_it(folder_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_project.path)
    monkeypatch.setenv("DATABASE_URL", PASSWORD)
    with pytest.raises(UsageError, match=r"^DATABASE_URL holds bytes that are not text in UTF-8\."):
        bridge.upgrade()


def test_a_project_may_lie_in_a_folder_whose_name_is_no_text(
    tmp_path: Path, create_database: Callable[[], URL]
) -> None:
    project = Project.create(tmp_path / BYTES, create_database())
    project.write("001_first", 'description = "First"\ndef upgrade(db): pass\n')
    config = str(project.path / "alembic.ini")
    for run, command, said in (
        (ended, ["migrate"], "Applied 1 migration"),
        (ended_process, ["migrate", "check"], f"{BYTES}/migrations: nothing is wrong."),
        (ended, ["migrate", "-c", config, "new", "second"], f"{BYTES}/migrations/002_second.py"),
        (ended, ["migrate", "status"], "002_second"),
    ):
        # From elsewhere, so that the whole path is shown.
        status, told = run(project, "eai", *command, env={"ALEMBIC_CONFIG": config}, at=tmp_path)
        assert (status, said in told) == (0, True), told


def test_what_only_libpq_reads_may_be_made_of_any_bytes(
    folder_project: Project, create_database: Callable[[], URL]
) -> None:
    """A role has such a name in a database of another encoding; a password may be anything."""
    url = create_database()
    there = URL.create("postgresql", None, None, url.host, url.port, url.database, url.query)
    env = {"DATABASE_URL": there.render_as_string(), "PGUSER": BYTES}
    status, told = ended(folder_project, "eai", "migrate", env=env)
    assert (status, "Traceback" in told) == (2, False)
    assert "the role does not exist on that server" in told
