"""The pytest plugin in a team's project: real runs of pytest, a real database, real git."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import URL

from bridge.database.embedded.server import EmbeddedServer
from support.project import DEFAULT_INI, Project

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The project's own settings of pytest: everything strict.
PYTEST_INI = """\
[pytest]
addopts = --strict-config --strict-markers -p no:cacheprovider
filterwarnings = error
testpaths = tests
"""
READY = """\
from bridge.testing import test_each_step_up_down_up_leaves_the_same_schema
from bridge.testing import test_models_match_migrations
from bridge.testing import test_new_files_give_the_same_schema_in_any_order
from bridge.testing import test_upgrade_from_nothing
"""
OWN = """\
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_a_database_of_its_own(bridge_engine, bridge_database_url, time):
    with bridge_engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM people")) == 0
        connection.execute(text("INSERT INTO people (name) VALUES ('Ada')"))
        here = connection.scalar(text("SELECT current_database()"))
    assert "/" + here in bridge_database_url

def test_it_is_empty(bridge_empty_database_url):
    engine = create_engine(bridge_empty_database_url, poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('people')")) is None
"""
MODELS = """\
from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()
Table("people", metadata, Column("id", Integer, primary_key=True),
      Column("name", Text, nullable=False, index=True), Column("nick", Text))
"""


def file(*up: str, down: tuple[str, ...] | None = None) -> str:
    """A migration of these statements."""
    lines = ["from sqlalchemy import text"]
    for name, statements in (("upgrade", up), ("downgrade", down)):
        if statements is not None:
            lines += [f"def {name}(db):", *(f"    db.execute(text({s!r}))" for s in statements)]
            lines += ["    db.commit()"]
    return "\n".join([*lines, ""])


CREATE_PEOPLE = file(
    "CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL)", down=("DROP TABLE people",)
)
INDEX = file("CREATE INDEX ix_people_name ON people (name)")
ADD_NICK = file("ALTER TABLE people ADD nick text", down=("ALTER TABLE people DROP COLUMN nick",))


@pytest.fixture
def team(tmp_path: Path) -> Project:
    """A project that tests its migrations."""
    project = Project.create(
        tmp_path / "team",
        ini=f"{DEFAULT_INI}prepend_sys_path = %(here)s\ntarget_metadata = models:metadata\n",
    )
    (project.path / "tests").mkdir()
    (project.path / "pytest.ini").write_text(PYTEST_INI)
    (project.path / "tests" / "test_migrations.py").write_text(READY)
    (project.path / "models.py").write_text(MODELS)
    return project


def git(project: Project, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=project.path,
        env={k: v for k, v in project.environ().items() if not k.startswith("GIT_")},
        capture_output=True,
        check=True,
    )


def branch(project: Project, mine: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    """Commit what is there to main; then one side adds its files there, one in a branch."""
    git(project, "init", "-q", "-b", "main")
    (project.path / ".gitignore").write_text("__pycache__\n")
    for name, files in ((None, {}), ("main", theirs), ("topic", mine)):
        if name == "topic":
            git(project, "checkout", "-q", "-b", "topic", "main~1")
        for stem, body in files.items():
            project.write(stem, body)
        git(project, "add", "-A")
        git(project, "commit", "-qm", "x")


def run_pytest(
    project: Project, server: URL | None, *arguments: str, alone: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest; `alone` without the other plugins of this environment, which are slow to load."""
    if alone:
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        arguments = ("-p", "bridge.testing.plugin", *arguments)
    if server is not None:
        env["TEST_DATABASE_URL"] = server.render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", *arguments],
        cwd=project.path,
        env=project.environ(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_project_in_order_passes_with_two_workers(team: Project, server_url: URL) -> None:
    (team.path / "tests" / "test_people.py").write_text(OWN)
    team.write("001_create_people", CREATE_PEOPLE)
    team.write("002_index", INDEX)
    # Both add a column to one table, so that the columns are not in the same order everywhere.
    theirs = file("ALTER TABLE people ADD age int", down=("ALTER TABLE people DROP COLUMN age",))
    branch(team, {"003_add_nick": ADD_NICK}, {"003_add_age": theirs})
    done = run_pytest(team, server_url, "-n", "2", "--bridge-base", "main", alone=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed, 1 skipped" in done.stdout
    assert "002_index.py has no downgrade" in done.stdout


def test_each_ready_test_says_what_is_wrong(team: Project, server_url: URL) -> None:
    team.write("001_create_people", CREATE_PEOPLE)
    team.write("002_index", INDEX.replace("name)", "name)", 1) + "def downgrade(db): pass\n")
    create = "CREATE TABLE IF NOT EXISTS notes ({} int)"
    branch(
        team,
        {"003_mine": file(create.format("mine"))},
        {"003_and_theirs": file(create.format("theirs"), down=("DROP TABLE notes",))},
    )
    done = run_pytest(team, server_url, "--bridge-base", "main")
    told = done.stdout
    assert done.returncode == 1, told + done.stderr
    assert "3 failed, 2 passed, 1 skipped" in told
    assert "Traceback" not in told
    assert (
        "002_index.py: downgrade does not bring back the schema that was there before upgrade.\n"
        "--- before upgrade\n"
        "+++ after downgrade\n"
    ) in told
    assert "\n+CREATE INDEX ix_people_name ON public.people USING btree (name);\n" in told
    assert "The models and the migrations differ. The database would also need:\n" in told
    assert "    op.add_column('people', sa.Column('nick', sa.Text(), nullable=True))\n" in told
    assert 'eai migrate new "…" --autogenerate writes that as a migration.' in told
    assert (
        "What the new migrations (003_mine.py) do depends on when they run.\n"
        "In a database that had the new files before those that came to main since "
        "(001_create_people, 002_index, 003_mine, 003_and_theirs): another schema.\n"
        "--- in order of names\n"
        "+++ in this order\n"
    ) in told
    assert "-    theirs integer\n+    mine integer\n" in told


def test_what_cannot_be_tested_is_skipped_with_the_reason(team: Project, server_url: URL) -> None:
    """A broken migration fails all tests that need a migrated database, in the same words."""
    team.ini()
    team.write("001_broken", file("SELEC 1"))
    ini = (team.path / "alembic.ini").rename(team.path / "other.ini")
    (team.path / "pytest.ini").write_text(f"{PYTEST_INI}bridge_config = {ini.name}\n")
    (team.path / "tests" / "test_people.py").write_text(
        "def test_people(bridge_engine): pass\ndef test_again(bridge_engine): pass\n"
    )
    done = run_pytest(team, server_url)
    told = done.stdout
    assert done.returncode == 1, told + done.stderr
    assert "1 failed, 3 skipped, 2 errors" in told
    assert "The migrations do not run in an empty database.\n001_broken" in told
    assert told.count('syntax error at or near "SELEC"') >= 3
    assert "add --bridge-base origin/main" in told
    assert "There are no models to compare with." in told
    assert "During handling" not in told
    assert "001_broken.py has no downgrade" in told


def test_without_a_server_the_embedded_one_is_used(team: Project) -> None:
    team.write("001_create_people", CREATE_PEOPLE)
    (team.path / "tests" / "test_migrations.py").write_text(OWN)
    # Not in tmp_path, which the user that runs PostgreSQL for root cannot enter.
    usual = Path(tempfile.gettempdir()) / f"bridge-plugin-{secrets.token_hex(4)}"
    own = EmbeddedServer(usual.with_name(f"{usual.name}-tests"))
    try:
        done = run_pytest(team, None, BRIDGE_EMBEDDED_DATA=str(usual))
        assert done.returncode == 0, done.stdout + done.stderr
        assert own.data_dir.is_dir()
        assert not own.running()
        assert not usual.exists()
    finally:
        own.destroy()


def test_without_a_configuration_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(READY + "def test_x(bridge_engine): pass\n")
    done = run_pytest(Project(tmp_path), None, "-p", "no:cacheprovider", "--rootdir=.")
    assert done.returncode == 2, done.stdout
    assert "No configuration: neither" in done.stdout
    assert "Traceback" not in done.stdout


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import bridge.testing.plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = re.findall(r"'([\w.]+)'", done.stdout)
    ours = {"bridge", "bridge.testing", "bridge.testing.plugin"}
    assert {name for name in loaded if name.startswith("bridge")} == ours
    heavy = {"sqlalchemy", "alembic", "psycopg2", "typer", "tempfile"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


def test_a_folder_with_conventions_of_its_own_passes(team: Project, server_url: URL) -> None:
    team.ini(
        f"{DEFAULT_INI}argument = dbapi\nupgrade_function = up\ndowngrade_function = down\n"
        "order = number\n"
    )
    both = (
        "def up(conn):\n    conn.cursor().execute('{up}')\n\n\n"
        "def down(conn):\n    conn.cursor().execute('{down}')\n"
    )
    team.write("V9__a", both.format(up="CREATE TABLE a (n int)", down="DROP TABLE a"))
    team.write(
        "V10__b",
        both.format(up="ALTER TABLE a ADD b int", down="ALTER TABLE a DROP COLUMN b"),
    )
    base = {"V11__c": both.format(up="CREATE TABLE c ()", down="DROP TABLE c")}
    branch(team, base, {"V12__d": both.format(up="CREATE TABLE d ()", down="DROP TABLE d")})
    done = run_pytest(team, server_url, "--bridge-base", "main", "-k", "not models")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout, done.stdout
