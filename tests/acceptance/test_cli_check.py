"""`eai migrate check` as CI and pre-commit run it, with real git and a real database."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml

from bridge.checks.check import run_check
from bridge.checks.git_base import read_base
from bridge.config.settings import Settings
from bridge.errors import UsageError
from support.pages import page

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

ROOT = Path(__file__).parents[2]

GOOD = """\
description = "Add {0}"

def upgrade(db):
    from sqlalchemy import text
    db.execute(text("CREATE TABLE {0} (id int)"))
    db.commit()
"""
MIDDLE = GOOD + '    db.execute(text("CREATE INDEX ON {0} (id)"))\n'


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout


def write(folder: Path, *names: str, text: str = GOOD) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(text.format(name[4:]))


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose branch main has 001_a and 003_c; its folder of migrations."""
    git(tmp_path, "init", "-q", "-b", "main", "origin")
    folder = tmp_path / "origin" / "app" / "migrations"
    write(folder, "001_a", "003_c")
    commit(folder)
    return folder


def refusal(folder: Path, ref: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_base(str(folder), ref)
    return str(caught.value)


def against(folder: Path, ref: str) -> list[tuple[str, str]]:
    checked = run_check(Settings(folder=str(folder)), base=ref)
    return [(each.id, Path(each.path).stem) for each in checked.problems]


# The command


def test_what_is_told_and_the_exit_code(folder_project: Project) -> None:
    write(folder_project.migrations, "001_a")
    write(folder_project.migrations, "002_b", text=MIDDLE)
    write(folder_project.migrations, "002_c", text="raise SystemExit('executed')\n" + GOOD)
    done = folder_project.eai("migrate", "check")
    assert done.stdout == (
        "migrations/002_b.py:6: warning: `db.commit()` before the end: this file is not all or "
        "nothing. If it fails later, what was done up to here stays, and the migration is not "
        "recorded. [commit-in-the-middle]\n"
        '    Commit once, at the end; or write `transaction = "atomic"`; or, if the file can run '
        "again from the start, say so with `# bridge: ignore commit-in-the-middle`.\n"
        "migrations/002_c.py: warning: 002_b.py shares its number. Both run, in "
        "alphabetical order. [shared-number]\n"
        "    If it has not been applied anywhere, give it the next free number.\n"
        "Checked 3 migrations in migrations: 2 warnings.\n"
    )
    assert (done.returncode, done.stderr) == (0, "")

    strict = folder_project.eai(
        "migrate", "check", "--strict", "--ignore", "shared-number", "--json"
    )
    assert strict.returncode == 4
    told = json.loads(strict.stdout)
    problem = told["problems"].pop()
    assert told == {
        "folder": "migrations",
        "files": 3,
        "errors": 1,
        "warnings": 0,
        "schema_diff": None,
        "pending": [],
        "problems": [],
    }
    assert problem.pop("message").startswith("`db.commit()` before the end")
    assert problem.pop("mend").startswith("Commit once")
    assert problem == {
        "id": "commit-in-the-middle",
        "severity": "error",
        "file": "migrations/002_b.py",
        "line": 6,
    }


def test_the_formats_for_ci_name_files_from_the_root_of_the_repository(
    folder_project: Project,
) -> None:
    (folder_project.path.parent / ".git").mkdir()
    write(folder_project.migrations, "001_a")
    write(folder_project.migrations, "002_b", text=MIDDLE)
    path = f"{folder_project.path.name}/migrations/002_b.py"

    def told(name: str, *arguments: str, code: int = 0) -> str:
        done = folder_project.eai("migrate", "check", "--format", name, *arguments)
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout

    annotation, summary, end = told("github").split("\n")
    assert annotation.startswith(
        f"::warning title=bridge (commit-in-the-middle),file={path},line=6::{path}:6: `db.commit()`"
    )
    assert (summary, end) == ("Checked 2 migrations in migrations: 1 warning.", "")
    (issue,) = json.loads(told("gitlab"))
    assert issue["location"] == {"path": path, "lines": {"begin": 6}}
    (result,) = json.loads(told("sarif"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == path
    suites = JUnitXml.fromstring(told("junit", "--strict", code=4).encode())
    assert (suites.tests, suites.failures) == (2, 1)
    assert told("json") == folder_project.eai("migrate", "check", "--json").stdout
    assert told("text") == folder_project.eai("migrate", "check").stdout


def test_two_formats_are_one_too_many(folder_project: Project) -> None:
    both = folder_project.eai("migrate", "check", "--json", "--format", "sarif")
    assert (both.returncode, both.stdout) == (2, "")
    assert "give it or --format sarif, not both" in both.stderr
    unknown = folder_project.eai("migrate", "check", "--format", "xml")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "'xml' is not one of 'text', 'json', 'github'" in unknown.stderr


def test_nothing_is_wrong_and_nothing_is_asked(folder_project: Project) -> None:
    """A URL in the environment does not make it connect."""
    write(folder_project.migrations, "001_a")
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = folder_project.eai("migrate", "check", env=nowhere)
    assert done.stdout == "Checked 1 migration in migrations: nothing is wrong.\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_function_that_was_written_for_a_cursor(project: Project) -> None:
    write(project.migrations, "001_a", text=GOOD.replace("db", "connection"))
    write(project.migrations, "002_b", text=GOOD.replace("db.commit()", "db.fetchone()"))
    done = project.eai("migrate", "check")
    assert done.stdout.startswith(
        "migrations/002_b.py:6: warning: `upgrade` gets a SQLAlchemy Session, which has no "
        "`fetchone`: a cursor of the driver has it. [not-a-session]\n"
    )
    assert done.stdout.endswith("Checked 2 migrations in migrations: 1 warning.\n")
    assert done.returncode == 0
    failed = project.eai("migrate")
    assert failed.returncode == 1
    assert "001_a  done in" in failed.stderr + failed.stdout
    assert "has no attribute 'fetchone'" in failed.stderr


def test_names_that_are_not_text_can_be_told(folder_project: Project) -> None:
    name = os.fsencode(folder_project.migrations) + b"/001_\xff.py"
    Path(os.fsdecode(name)).write_text(GOOD)
    env = {"PYTHONIOENCODING": "utf-8"}
    done = folder_project.program("eai", "migrate", "check", env=env)
    assert done.returncode == 4
    assert "migrations/001_\\udcff.py: error: the name '001_\\udcff.py' is not valid" in done.stdout


def test_the_hook_for_pre_commit(folder_project: Project) -> None:
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text()
    told = dict(re.findall(r"^[- ] (\w+): (.*)$", hook, re.MULTILINE))
    assert told["language"] == "python"
    assert told["pass_filenames"] == "false"
    assert re.search(told["files"], "app/migrations/001_a.py")
    assert f"- id: {told['id']}\n" in page("check-and-lint")
    command, *arguments = shlex.split(told["entry"])
    assert command == "eai"
    write(folder_project.migrations, "001_a", text="def upgrade(db\n")
    assert folder_project.eai(*arguments).returncode == 4


# Against a branch


def test_against_a_branch(repository: Path) -> None:
    git(repository, "checkout", "-qb", "topic")
    assert against(repository, "main") == []
    write(repository, "002_b", "004_d")
    assert against(repository, "main") == [("sorts-before-base", "002_b")]
    commit(repository)
    assert against(repository, "main") == [("sorts-before-base", "002_b")]
    (repository / "002_b.py").unlink()
    (repository / "001_a.py").write_text(GOOD.format("other"))
    (repository / "003_c.py").rename(repository / "003_e.py")
    assert against(repository, "main") == [
        ("changed-since-base", "001_a"),
        ("renamed-since-base", "003_e"),
    ]


def test_a_branch_that_went_on(repository: Path) -> None:
    git(repository, "checkout", "-qb", "topic")
    write(repository, "004_d")
    commit(repository)
    git(repository, "checkout", "-q", "main")
    write(repository, "005_e")
    (repository / "001_a.py").write_text(GOOD.format("theirs"))
    commit(repository)
    git(repository, "checkout", "-q", "topic")
    assert against(repository, "main") == [("sorts-before-base", "004_d")]


def test_how_merged_files_are_written_is_not_told(repository: Path) -> None:
    write(repository, "003_c", text=MIDDLE)
    commit(repository)
    write(repository, "004_d", text=MIDDLE)
    assert against(repository, "main") == [("commit-in-the-middle", "004_d")]


def test_white_space_and_line_endings_are_no_change(repository: Path) -> None:
    text = (repository / "001_a.py").read_text()
    (repository / "001_a.py").write_bytes(text.replace("\n", " \r\n").encode())
    assert against(repository, "main") == []


def test_a_folder_that_is_new(repository: Path) -> None:
    new = repository.parent / "migrations é"
    write(new, "001_a")
    assert against(new, "main") == []


def test_in_a_hook_of_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook is told where its repository is, relative to the top of the tree."""
    write(repository, "002_b")
    top = repository.parents[1]
    monkeypatch.chdir(top)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert against(repository, "main") == [("sorts-before-base", "002_b")]


def test_a_shallow_clone_says_what_to_fetch(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-qb", "topic")
    write(repository, "002_b")
    commit(repository)
    git(repository, "checkout", "-q", "main")
    write(repository, "004_d")
    commit(repository)
    origin = f"file://{repository.parents[1]}"
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "topic", origin, "clone")
    clone = tmp_path / "clone" / "app" / "migrations"

    unknown = refusal(clone, "origin/main")
    assert unknown == (
        "git does not know origin/main in this clone. Fetch it first: git fetch --unshallow "
        "origin && git fetch origin main:refs/remotes/origin/main"
    )
    # As somebody does who fetches the branch only.
    git(clone, "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    shallow = refusal(clone, "origin/main")
    assert shallow == (
        "This clone is shallow, and its history ends before it meets origin/main. Fetch the "
        "rest: git fetch --unshallow"
    )
    git(clone, *shlex.split(shallow.rpartition("git ")[2]))
    assert against(clone, "origin/main") == [("sorts-before-base", "002_b")]

    # And what the first message says.
    git(clone, "update-ref", "-d", "refs/remotes/origin/main")
    message = refusal(clone, "origin/main")
    assert message == (
        "git does not know origin/main in this clone. Fetch it first: git fetch origin "
        "main:refs/remotes/origin/main"
    )
    git(clone, *shlex.split(message.rpartition("git ")[2]))
    assert against(clone, "origin/main") == [("sorts-before-base", "002_b")]


def test_what_git_cannot_tell_is_a_sentence(repository: Path, tmp_path: Path) -> None:
    assert refusal(repository, "nope") == (
        "git does not know nope. Name a branch, a tag or a commit that is in this clone (git "
        "branch --all lists its branches)."
    )
    assert refusal(repository, "--help") == "--base '--help' is not a branch or a commit of git."
    git(repository, "checkout", "-q", "--orphan", "alone")
    assert refusal(repository, "main") == (
        "This repository has no commit yet, so there is nothing to compare with main."
    )
    write(repository, "009_z")  # or the commit is the very same
    commit(repository)
    assert refusal(repository, "main") == (
        "main and the commit that is checked out have no history in common, so nobody can tell "
        "which migrations are new. Name the branch that this one began from."
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    assert refusal(outside, "main") == (
        f"{outside} is in no git repository, so there is no base to compare it with. Leave "
        "--base out, or run this in a clone."
    )


def test_a_repository_that_git_cannot_read(repository: Path) -> None:
    (repository.parents[1] / ".git" / "config").write_text("[nonsense\n")
    message = refusal(repository, "main")
    assert message.startswith(f"git cannot read the repository of {repository}: fatal: bad config")


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert refusal(repository, "main") == "--base needs git, which is not installed here."


def test_the_command_against_a_branch(folder_project: Project) -> None:
    write(folder_project.migrations, "001_a", "003_c")
    git(folder_project.path, "init", "-q", "-b", "main")
    commit(folder_project.path)
    write(folder_project.migrations, "002_b")
    done = folder_project.eai("migrate", "check", "--base", "main")
    assert done.stdout == (
        "migrations/002_b.py: error: This new migration sorts before 003_c.py, which is in main: "
        "databases that have applied that one would run this one after it, new databases before "
        "it. [sorts-before-base]\n"
        "    Rename it to 004_b.py, as long as it has not been applied anywhere.\n"
        "Checked 3 migrations in migrations: 1 error.\n"
    )
    assert done.returncode == 4
    unknown = folder_project.eai("migrate", "check", "--base", "nope")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("Error: git does not know nope.")


# With a database


def test_with_a_database(project: Project, engine: Engine) -> None:
    write(project.migrations, "001_a", "002_b", "004_d")
    project.eai("migrate", check=True)
    fine = project.eai("migrate", "check", "--database")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert fine.stdout == "Checked 3 migrations in migrations: nothing is wrong.\n"

    write(project.migrations, "005_e")
    pending = project.eai("migrate", "check", "--database")
    assert pending.returncode == 3
    assert pending.stdout == (
        "migrations/005_e.py: pending: This database does not have it yet. [pending]\n"
        "Checked 4 migrations in migrations: 1 pending.\n"
    )

    project.remove("002_b")
    write(project.migrations, "003_c")
    write(project.migrations, "004_d", text=GOOD + "# changed\n")
    assert project.url is not None
    url = project.url.render_as_string(hide_password=False)
    done = project.eai(
        "migrate", "check", "--database-url", url, "--json", env={"DATABASE_URL": None}
    )
    told = json.loads(done.stdout)
    assert {(p["id"], p["severity"], p["file"]) for p in told["problems"]} == {
        ("file-missing", "warning", "migrations/002_b.py"),
        ("pending", "pending", "migrations/003_c.py"),
        ("late", "warning", "migrations/003_c.py"),
        ("changed-since-applied", "warning", "migrations/004_d.py"),
        ("pending", "pending", "migrations/005_e.py"),
    }
    assert (done.returncode, told["pending"]) == (3, ["003_c", "005_e"])

    project.ini(extra="drift = refuse\nout_of_order = refuse\n")
    refused = project.eai("migrate", "check", "--database", "--ignore", "file-missing")
    assert refused.returncode == 4
    assert refused.stdout == (
        "migrations/003_c.py: pending: This database does not have it yet. [pending]\n"
        "migrations/003_c.py: error: This database has already applied migrations whose names sort "
        "after this one. [late]\n"
        "    Give it a name that sorts last, as long as it has not been applied anywhere.\n"
        "migrations/004_d.py: error: 004_d was changed after this database applied it, and will "
        "not run there again. [changed-since-applied]\n"
        "    Put the applied text back and make the change in a new migration; or accept the "
        "present text: eai migrate repair\n"
        "migrations/005_e.py: pending: This database does not have it yet. [pending]\n"
        "Checked 4 migrations in migrations: 2 errors, 2 pending.\n"
    )


def test_a_ledger_that_does_not_fit(project: Project, engine: Engine) -> None:
    write(project.migrations, "001_a")
    project.eai("migrate", check=True)
    (project.migrations / "001_a.py").rename(project.migrations / "001_A.py")
    done = project.eai("migrate", "check", "--database")
    assert done.returncode == 4
    assert "migrations/001_A.py: error: schema_migrations records '001_a' as" in done.stdout
    assert "[ledger]" in done.stdout

    write(project.migrations, "002-b", "002_b")
    names = project.eai("migrate", "check", "--database")
    assert names.returncode == 4
    assert names.stderr == "The database was not asked: correct the names of the files first.\n"


def test_a_broken_file_is_told_once(project: Project) -> None:
    write(project.migrations, "001_a", text="def upgrade(db\n")
    done = project.eai("migrate", "check", "--database", "--json")
    told = json.loads(done.stdout)
    assert [each["id"] for each in told["problems"]] == ["pending", "syntax-error"]
    assert done.returncode == 4


def test_a_server_that_does_not_answer(folder_project: Project) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = folder_project.eai("migrate", "check", "--database", env=nowhere)
    assert (done.returncode, done.stdout) == (75, "")
