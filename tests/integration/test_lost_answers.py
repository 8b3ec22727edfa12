"""The answer to a COMMIT is lost: the server has committed, and nobody was told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.running import PATIENCE, ask, recorded
from support.tcp_proxy import Proxy

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from support.project import Project

#: What waits until the test has seen what it waits for.
HEAD = """\
import time
from pathlib import Path
from sqlalchemy import text
def wait():
    while not Path(__file__).with_suffix(".go").exists():
        time.sleep(0.01)
"""
MAKE = 'db.execute(text("CREATE TABLE half_done ()"))'
NEXT = 'db.execute(text("SELECT 2"))'
SERIALIZABLE = 'db.connection(execution_options={"isolation_level": "SERIALIZABLE"})'
DRIVERS = "raw = db.connection().connection.dbapi_connection"
ENDS = """\
    db.execute(text("SELECT 3"))
    db.commit()
"""

#: How the COMMIT comes to be sent; the last line but `NEXT` asks for it, or stands before it.
WAYS = {
    "with the next statement": [MAKE, "db.commit()", NEXT],
    "by the watcher": [MAKE, "db.commit()", "wait()", NEXT],
    "at once": [SERIALIZABLE, MAKE, "db.commit()", NEXT],
    "as text": [MAKE, 'db.execute(text("COMMIT"))', NEXT],
    "as text, with more": [MAKE, 'db.execute(text("SELECT 1; COMMIT; SELECT 2"))', NEXT],
    "by the driver": [DRIVERS, MAKE, "raw.commit()", NEXT],
    "by the driver's cursor": [DRIVERS, MAKE, "raw.cursor().execute('COMMIT')", NEXT],
    "swallowed": [
        MAKE,
        "db.commit()",
        f"try:\n        {NEXT}\n    except Exception: db.rollback()",
    ],
}


def body(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def line_of_commit(file: str) -> int:
    return 1 + next(
        number
        for number, line in enumerate(file.splitlines())
        if any(each in line for each in ("commit()", "COMMIT"))
    )


@contextmanager
def losing(engine: Engine, project: Project) -> Iterator[Project]:
    """Lose the answer to the first COMMIT after `half_done`, and let the file go on then."""
    with Proxy(engine.url) as proxy:
        proxy.lose_answer_to(b"COMMIT", after=b"half_done")

        def go() -> None:
            proxy.happened.wait(PATIENCE)
            (project.migrations / "001_work.go").touch()

        thread = threading.Thread(target=go)
        thread.start()
        yield replace(project, url=proxy.url)
        assert proxy.happened.is_set()
        thread.join()


def assert_not_known(done: subprocess.CompletedProcess[str], line: int, last: str) -> None:
    assert done.returncode == 1, done.stderr
    said = done.stderr
    assert (
        f"The connection broke while the COMMIT of line {line} was under way, so it is not known "
        "whether what the file did up to there was committed. The last statement before it was:\n"
        f"    {last}\nLook whether what that did is in the database."
    ) in said
    assert "rolled back" not in said
    assert "run again." not in said.split("The connection broke while")[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_in_the_middle_of_an_upgrade_is_not_known(
    project: Project, engine: Engine, way: str
) -> None:
    file = f"{HEAD}def upgrade(db):\n{body(WAYS[way])}{ENDS}"
    project.write("001_work", file)
    with losing(engine, project) as lossy:
        done = lossy.eai("migrate")
    last = "SELECT 1; COMMIT; SELECT 2" if "more" in way else "CREATE TABLE half_done ()"
    assert_not_known(done, line_of_commit(file), last)
    assert "It is not recorded as applied." in done.stderr
    assert done.stderr.endswith(
        "Make sure that it can run again from its beginning, and type: eai migrate\n"
    )
    assert ask(engine, "SELECT to_regclass('half_done') IS NOT NULL")
    assert recorded(engine) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_commit_in_the_middle_of_a_downgrade_is_not_known_and_status_knows(
    project: Project, engine: Engine, way: str
) -> None:
    file = f"{HEAD}def upgrade(db): pass\ndef downgrade(db):\n{body(WAYS[way])}{ENDS}"
    project.write("001_work", file)
    project.eai("migrate", check=True)
    with losing(engine, project) as lossy:
        done = lossy.eai("migrate", "downgrade", "base", "--yes")
    last = "SELECT 1; COMMIT; SELECT 2" if "more" in way else "CREATE TABLE half_done ()"
    assert_not_known(done, line_of_commit(file), last)
    assert done.stderr.endswith(
        "Whether it is still recorded as applied is not known: eai migrate status shows it.\n"
        "Type: eai migrate status\n"
        "If 001_work is applied there, type: eai migrate downgrade base\n"
        "If it is pending there: To finish the downgrade: make sure that its downgrade() can run "
        "again from its beginning, and type: eai migrate mark 001_work --applied\n"
        "Then type: eai migrate downgrade base\n"
        "To apply it again instead: make sure that its upgrade() can run on what is left, and "
        "type: eai migrate\n"
    )
    assert recorded(engine) == []  # it was part of that commit


def test_a_statement_outside_of_transactions_is_not_known(project: Project, engine: Engine) -> None:
    project.write(
        "001_work",
        f'{HEAD}transaction = "autocommit"\ndef upgrade(db):\n    {MAKE}\n    {NEXT}\n',
    )
    with Proxy(engine.url) as proxy:
        proxy.lose_answer_to(b"half_done")
        done = replace(project, url=proxy.url).eai("migrate")
    assert done.returncode == 1
    assert (
        "The connection broke while a statement outside of transactions was under way, so it is "
        "not known whether it was done:\n    CREATE TABLE half_done ()\nLook whether what that did "
        "is in the database. It is not recorded as applied.\n"
        "Make sure that it can run again from its beginning, and type: eai migrate\n"
    ) in done.stderr
    assert ask(engine, "SELECT to_regclass('half_done') IS NOT NULL")


ONE_COMMIT = f"{HEAD}def upgrade(db):\n    {MAKE}\n    db.commit()\n"


def test_a_commit_at_the_end_is_not_known_and_the_next_run_knows(
    project: Project, engine: Engine
) -> None:
    project.write("001_work", ONE_COMMIT)
    with losing(engine, project) as lossy:
        done = lossy.eai("migrate")
    assert done.returncode == 75
    assert done.stderr.endswith(
        "The connection broke while the COMMIT was under way, so it is not known whether 001_work "
        "was committed; its record was in the same transaction, so the next run will know.\n"
        "Type: eai migrate\n"
    )
    assert "run again." not in done.stderr
    assert "Nothing to do" in project.eai("migrate", check=True).stdout


def test_after_a_commit_in_the_middle_the_last_one_is_not_known_and_the_first_stays(
    project: Project, engine: Engine
) -> None:
    file = 'def upgrade(db):\n    db.execute(text("SELECT 1"))\n    db.commit()\n'
    project.write("001_work", f"{HEAD}{file}    {MAKE}\n    db.commit()\n")
    with losing(engine, project) as lossy:
        done = lossy.eai("migrate")
    assert done.returncode == 1
    line = HEAD.count("\n") + 3
    assert (
        f"so the next run will know. It had made 1 commit, at line {line}: what it did up to there "
        "stays.\nMake sure that it can run again from its beginning, and type: eai migrate\n"
    ) in done.stderr
    assert recorded(engine) == ["001_work"]


def test_where_only_the_record_was_under_way_the_work_stays(
    project: Project, engine: Engine
) -> None:
    project.write("001_work", f'{HEAD}transaction = "autocommit"\ndef upgrade(db):\n    {MAKE}\n')
    with losing(engine, project) as lossy:
        done = lossy.eai("migrate")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "so it is not known whether it is recorded that 001_work was applied. All that the file "
        "did stays.\nType: eai migrate status\nIf it is pending there, record it without running "
        "it again: eai migrate mark 001_work --applied\n"
    )
    assert recorded(engine) == ["001_work"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("eai", "migrate", "downgrade", "base", "--yes"), "Type: eai migrate downgrade base\n"),
        (
            ("alembic", "downgrade", "-1"),
            (
                "Type: eai migrate status\n"
                "If 001_work is applied there, type: alembic downgrade -1\n"
                "If it is pending there, there is nothing left to do.\n"
            ),
        ),
    ],
    ids=["base", "-1"],
)
def test_a_commit_at_the_end_of_a_downgrade_is_not_known_and_not_repeated_by_itself(
    project: Project, engine: Engine, command: tuple[str, ...], told: str
) -> None:
    project.write(
        "001_work", f"{ONE_COMMIT.replace('upgrade', 'downgrade')}def upgrade(db): pass\n"
    )
    project.eai("migrate", check=True)
    name, *arguments = command
    with losing(engine, project) as lossy:
        run = lossy.eai if name == "eai" else lossy.alembic
        done = run(*arguments)
    assert done.returncode == 1, done.stderr
    assert "it is not known whether 001_work was committed" in done.stderr
    assert told in done.stderr
    assert recorded(engine) == []
