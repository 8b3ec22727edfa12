"""The commands that pages show are typed, one block after the other, in a project made for it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from support import alembic_project
from support.alembic_project import AlembicProject
from support.in_process import run_in_process
from support.project import TIMEOUT, Project
from support.typed import Block, blocks, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

#: What cannot be typed here; the unit tests hold it to the parser.
NOT_HERE = {
    "scripts/eai": "it makes an environment: tests/acceptance/test_scripts.py",
    "scripts/test": "it runs these tests",
    "psql": "tests/acceptance/test_offline.py gives such scripts to psql",
    "eai migrate -n tenants --all --concurrency 16 --executor dask:": "its scheduler is that of "
    "tests/acceptance/test_rollout_dask.py",
    "eai db": "it is about the one server of this user: tests/acceptance/test_cli_embedded.py",
}
#: How a command ends that does not end with 0: something is pending.
STATUSES = {"eai migrate status --check": 3, "eai migrate check --database --json": 3}
#: What asks before it goes on, and is answered here.
ASKS = re.compile(
    r"eai migrate (?:.* )?(?:downgrade|rehearse|repair|mark|eject)\b(?!.*--(?:yes|dry-run))"
)
FILE = """\
description = "{title}"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("CREATE TABLE IF NOT EXISTS t{number} (id BIGINT PRIMARY KEY)"))
    db.commit()


def downgrade(db):
    from sqlalchemy import text

    db.execute(text("DROP TABLE t{number}"))
    db.commit()
"""
#: The section of the tenants, of which there is one.
TENANTS = """\

[tenants]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
targets_query = SELECT 'acme'
"""
NAMES = ("001_add_organizations", "002_add_iam", "003_add_integrations")


def test_what_is_not_typed_is_still_on_a_page() -> None:
    shown = {command for block in blocks() for command in block.commands}
    for each in (*NOT_HERE, *STATUSES):
        assert any(command.startswith(each) for command in shown), each


class Typist:
    """Types the commands of a block in a project, as the page's reader does."""

    def __init__(self, project: Project, server: URL) -> None:
        self.project = project
        self.server = server.render_as_string(hide_password=False)
        assert project.url is not None
        self.url = project.url.render_as_string(hide_password=False)
        self.env = project.environ(
            {
                "BRIDGE_SCRATCH_URL": self.server,
                "COLUMNS": "80",
                "STAGING": self.url,
                "PRODUCTION": self.url,
            }
        )
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.env['PATH']}"

    def types(self, command: str) -> None:
        line = self._with_addresses(command)
        line = re.sub(r"(?= >|$)", " --yes", line, count=1) if ASKS.match(command) else line
        split = words(line)
        if split[0] == "export":
            self.env |= dict(each.split("=", 1) for each in split[1:])
            return
        if re.search(r"[|>$]|^\w+=", line):
            done = subprocess.run(
                ["bash", "-c", f"set -o pipefail; {line}"],
                cwd=self.project.path,
                env=self.env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT,
            )
        else:
            done = run_in_process(*split, cwd=self.project.path, env=self.env)
        told = f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == STATUSES.get(command, 0), told
        assert "Traceback" not in told

    def _with_addresses(self, command: str) -> str:
        """The command with the addresses of this test in place of those of the page."""
        command = re.sub(
            r"postgresql://postgres(?::postgres)?@localhost/postgres", self.server, command
        )
        found = re.search(r"postgresql://(?:…|app@localhost|user@host)/\w+(\?)?", command)
        if found is None:
            return command
        url = self.url if not found[1] else f"{self.url}{'&' if '?' in self.url else '?'}"
        return command.replace(found[0], shlex.quote(url) if "'" not in command else url)


def write(project: Project, *names: str) -> None:
    for number, name in enumerate(names):
        title = name.partition("_")[2].replace("_", " ").capitalize()
        project.write(name, FILE.format(title=title, number=f"{number}_{name[:3]}"))


@pytest.fixture
def typist(project: Project, server_url: URL) -> Typist:
    """A project in git, whose last file is new since the branch that others have."""
    project.ini(extra="schema_file = schema.sql\n")
    (project.path / "models.py").write_text(
        "from sqlalchemy import MetaData\nmetadata = MetaData()\n"
    )
    write(project, *NAMES)
    deploy = project.path / "deploy"
    deploy.mkdir()
    (deploy / "alembic.ini").write_text(
        (project.path / "alembic.ini").read_text().replace("%(here)s/", "%(here)s/../")
    )
    return Typist(project, server_url)


def commit(project: Project) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("commit", "-qm", "All of it"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
    ):
        subprocess.run([*git, *command], cwd=project.path, check=True, capture_output=True)


def prepare(block: Block, typist: Typist) -> None:
    """Make what the commands need to be there: files, tables, another project."""
    project, shown = typist.project, " ".join(block.commands)
    if "migrate import" in shown:
        shutil.rmtree(project.migrations)
        place = project.path / "backend" if "backend" in shown else project.path
        alembic_project.tutorial(AlembicProject.create(place))
        return
    if "squash" in shown:
        write(project, "070_add_orders")
    if "autogenerate" in shown:
        project.ini(extra="prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n")
    if "-n tenants" in shown:
        project.ini(extra=TENANTS)
    if "migrate init" in shown:
        (project.path / "alembic.ini").unlink()
    for folder in re.findall(r"--(?:folder|into) (\S+)", shown):
        (project.path / folder).parent.mkdir(parents=True, exist_ok=True)
    commit(project)
    if ("acme" in shown or "-n tenants" in shown) and "provision" not in shown:
        engine = create_engine(typist.url)
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA acme"))
        engine.dispose()
    if re.search(
        r"downgrade|compare|stamp|autogenerate|--from-database|repair|migrate wait", shown
    ):
        typist.types("eai migrate")
    if re.search(r"status --check|check|lint|rehearse|mark|repair", shown):
        write(project, "004_new_feature" if "004_new_feature" in shown else "004_add_widgets")
    if "repair 004" in shown or "--pending" in shown:
        typist.types("eai migrate")
    if "repair 004" in shown:
        write(project, "003_other", "004_new_feature")  # the same with another table
        project.remove("003_other")
    if re.search(r"check --schema| load|migrate compare", shown):
        typist.types("eai migrate dump")


def typed() -> Iterator[Block]:
    """The blocks; of the examples in a help text each by itself, for they do not follow."""
    for block in blocks():
        if block.page == "options":
            yield from (Block(block.page, block.heading, (each,)) for each in block.commands)
        else:
            yield block


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(each, id=str(each), marks=[pytest.mark.long] * (each.page == "options"))
        for each in typed()
    ],
)
def test_a_block_is_typed(block: Block, typist: Typist) -> None:
    if all(command.startswith(tuple(NOT_HERE)) for command in block.commands):
        return
    prepare(block, typist)
    for command in block.commands:
        if not command.startswith(tuple(NOT_HERE)):
            typist.types(command)
