"""`eai migrate lint` as CI runs it: real squawk, a real server."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml
from sqlalchemy import create_engine

from bridge.database.embedded.server import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project

FIRST = '''\
description = "Add widgets"

from sqlalchemy import text

def upgrade(db):
    db.execute(text("SET lock_timeout = '1s'; SET statement_timeout = '5s'"))
    db.execute(text("""
        CREATE TABLE widgets (
            id bigint PRIMARY KEY,
            number int
        )
    """))
    db.execute(text("INSERT INTO widgets VALUES (:id, :number)"), {"id": 1, "number": None})
    db.commit()
'''
SECOND = """\
description = "Drop what is not there"

from sqlalchemy import text

def upgrade(db):
    db.execute(text("SET lock_timeout = '1s'; SET statement_timeout = '5s'"))
    db.execute(text("DROP TABLE IF EXISTS a"))  # bridge: ignore ban-drop-table
    # bridge: ignore prefer-identity
    db.execute(text("DROP TABLE IF EXISTS b"))
    db.commit()
"""
THIRD = """\
description = "Index widgets"
transaction = "autocommit"

from sqlalchemy import text

def upgrade(db):
    db.execute(text("SET lock_timeout = '1s'; SET statement_timeout = '5s'"))
    db.execute(text("CREATE INDEX CONCURRENTLY IF NOT EXISTS w ON widgets (number)"))
"""
NOBODYS = "postgresql://nobody@192.0.2.1:1/nothing"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """A server in use, so that no command has to start it."""
    # Not pytest's own folder, which the user that runs root's server cannot enter.
    path = Path(tempfile.gettempdir()) / f"bridge-lint-{secrets.token_hex(4)}"
    with EmbeddedServer(path, options={"fsync": "off", "shared_buffers": "16MB"}) as server:
        yield server
    server.destroy()


def lint(
    project: Project, server: EmbeddedServer, *arguments: str
) -> subprocess.CompletedProcess[str]:
    # The application's database is not to be used, and cannot be reached.
    env = {"BRIDGE_EMBEDDED_DATA": str(server.data_dir), "DATABASE_URL": NOBODYS}
    return project.eai("migrate", "lint", *arguments, env=env)


def databases(server: EmbeddedServer) -> list[str]:
    engine = create_engine(server.url("postgres"))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT datname FROM pg_database ORDER BY 1").all()
    engine.dispose()
    return [name for (name,) in rows if name.startswith(("bridge_lint", "bridge_scratch"))]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        capture_output=True,
        check=True,
        timeout=60,
    )


def test_findings_are_shown_at_the_lines_of_the_files_and_silenced_there(
    folder_project: Project, server: EmbeddedServer
) -> None:
    project = folder_project
    project.write("001_widgets", FIRST)
    git(project.path, "init", "-q", "-b", "main")
    git(project.path, "add", "-A")
    git(project.path, "commit", "-qm", "x")
    project.write("002_drop", SECOND)
    project.write("003_index", THIRD)
    # A run that was killed has left its database behind.
    server.ensure_database("bridge_lint_999999999_00")

    done = lint(project, server)
    assert done.stdout == (
        "migrations/001_widgets.py:10: warning: Using 32-bit integer fields can result in hitting "
        "the max `int` limit. [prefer-bigint-over-int]\n"
        "    Use 64-bit integer values instead to prevent hitting this limit.\n"
        "migrations/002_drop.py:9: warning: Dropping a table may break existing clients. "
        "[ban-drop-table]\n"
        "Linted 3 migrations in migrations: 2 found, 1 silenced.\n"
    )
    assert (done.returncode, done.stderr) == (4, "")
    assert databases(server) == []

    annotated = lint(project, server, "--format", "github", "--base", "main").stdout
    assert annotated.startswith(
        "::warning title=bridge (ban-drop-table),file=migrations/002_drop.py,line=9::"
    )
    told = lint(project, server, "--json", "--base", "main")
    found = json.loads(told.stdout)
    assert (found["files"], found["silenced"]) == (["002_drop", "003_index"], 1)
    assert [(each["id"], each["file"], each["line"]) for each in found["findings"]] == [
        ("ban-drop-table", "migrations/002_drop.py", 9)
    ]
    assert told.returncode == 4

    project.ini(extra="lint_exclude = ban-drop-table\n")
    fine = lint(project, server, "migrations/002_drop.py", "001", "--ignore=prefer-bigint-over-int")
    assert fine.stdout == "Linted 2 migrations in migrations: nothing found.\n"
    assert fine.returncode == 0


def test_in_a_named_database_what_is_pending_is_rehearsed(
    project: Project, server: EmbeddedServer
) -> None:
    project.write("001_widgets", FIRST)
    project.eai("migrate", check=True)
    project.write("002_drop", SECOND)
    project.write("003_index", THIRD)
    assert project.url is not None
    url = project.url.render_as_string(hide_password=False)

    done = lint(project, server, "--database-url", url)
    assert done.stdout == (
        "migrations/002_drop.py:9: warning: Dropping a table may break existing clients. "
        "[ban-drop-table]\n"
        "Linted 1 migration in migrations: 1 found, 1 silenced.\n"
    )
    assert done.stderr.split("\n", 1)[1] == (
        'Not linted: 003_index, because it says transaction = "autocommit". Leave --database-url '
        "out to run all files from nothing.\n"
    )
    assert done.returncode == 4
    report = lint(project, server, "--database-url", url, "--format", "junit").stdout
    suites = JUnitXml.fromstring(report.encode())
    assert (suites.tests, suites.failures) == (2, 2)
    assert [(case.classname, case.name) for suite in suites for case in suite] == [
        ("migrations/002_drop.py", "ban-drop-table"),
        ("migrations/003_index.py", "not-linted"),
    ]
    assert "002_drop" in project.eai("migrate", "--dry-run", check=True).stdout
    applied = lint(project, server, "001", "--database-url", url)
    assert "Error: 001_widgets: not pending in database" in applied.stderr
    assert applied.returncode == 2


def test_a_file_that_fails_says_that_no_database_of_yours_was_touched(
    folder_project: Project, server: EmbeddedServer
) -> None:
    committed = "    db.commit()\n    db.execute(text('SELECT 1 / 0'))\n"
    folder_project.write("001_widgets", FIRST.rstrip("\n") + "\n" + committed)
    done = lint(folder_project, server)
    assert done.returncode == 1
    assert "Error: 001_widgets failed: " in done.stderr
    assert done.stderr.endswith(
        "\n    SELECT 1 / 0\nCorrect the file, and type: eai migrate lint\n"
        "This ran in a database that was made for it and is dropped again. No other database was "
        "touched. If the files need something that is not in it, name a database that has it: "
        "--database-url\n"
    )
    assert databases(server) == []
    named = lint(folder_project, server, "004")
    assert named.stderr == (
        "Error: There is no migration 004. Type the path of its file, its name or the beginning "
        "of its name.\n"
    )
    assert named.returncode == 2


def test_files_that_take_a_cursor_are_looked_at_in_the_order_of_their_numbers(
    folder_project: Project, server: EmbeddedServer
) -> None:
    project = folder_project
    project.ini(extra="argument = cursor\nupgrade_function = up\norder = number\n")
    up = 'description = "x"\n\n\ndef up(cur):\n    cur.execute("SET lock_timeout = 1")\n'
    project.write("V9__a", f'{up}    cur.execute("CREATE TABLE a (n bigint)")\n')
    project.write("V10__b", f'{up}    cur.execute("ALTER TABLE a ADD b bigint NOT NULL")\n')
    done = lint(project, server)
    assert "V10__b.py:6: warning: Adding a new column that is `NOT NULL`" in done.stdout
    assert "Linted 2 migrations" in done.stdout
    assert done.returncode == 4
