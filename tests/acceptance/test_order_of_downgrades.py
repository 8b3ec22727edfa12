"""`kill -9` in a downgrade leaves no record without its work, and the next run mends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import bridge
from support.forked import commands_of
from support.running import (
    CREATE_LOG,
    do,
    gate_of,
    is_alive,
    logged,
    pointer,
    poll,
    recorded,
)
from support.taking_back import AUTOCOMMIT, COMMITTED, FIRST, SECOND, taken_back_by

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

COMMANDS = {
    "eai": ("eai", "migrate", "downgrade", "--steps", "1", "--yes"),
    "alembic": ("alembic", "downgrade", "-1"),
    "to base": ("alembic", "downgrade", "base"),
}

#: Kill a downgrade by this function at the gate; `head` and `stem` are its file's.
Kill = Callable[..., None]


def migrate(project: Project, engine: Engine) -> None:
    bridge.upgrade(engine, config=project.path / "alembic.ini")


@pytest.fixture
def kill(project: Project, engine: Engine) -> Kill:
    do(engine, CREATE_LOG)
    project.write(FIRST, taken_back_by("run(db, undo)", stem=FIRST))

    def kill(down: str, *, head: str = "", stem: str = SECOND, by: str = "eai") -> None:
        project.write(stem, taken_back_by(down, head=head, stem=stem))
        migrate(project, engine)
        with commands_of(project) as start, gate_of(engine) as gate:
            run = start(*COMMANDS[by])
            backend = gate.reached()
            run.kill()
            gate.open()
            poll(lambda: not is_alive(engine, backend))

    return kill


def left(engine: Engine) -> tuple[list[str], list[str], list[str]]:
    return recorded(engine), pointer(engine), sorted(logged(engine))


BOTH = ([FIRST, SECOND], [SECOND], [FIRST, SECOND])
ONE = ([FIRST], [FIRST], [FIRST])
NONE: tuple[list[str], list[str], list[str]] = ([], [], [])


@pytest.mark.parametrize("how", COMMITTED)
def test_after_its_first_commit_it_is_not_recorded(
    project: Project, engine: Engine, kill: Kill, how: str
) -> None:
    kill(COMMITTED[how])
    assert left(engine) == ONE
    migrate(project, engine)
    assert left(engine) == BOTH


@pytest.mark.parametrize("by", ["eai", "alembic"])
@pytest.mark.parametrize("work_is", ["done", "not done"])
def test_outside_of_transactions_it_is_not_recorded_from_its_first_statement_on(
    project: Project, engine: Engine, kill: Kill, by: str, work_is: str
) -> None:
    statements = ["run(db, undo)", "run(db, wait)"]
    kill("\n".join(statements[:: 1 if work_is == "done" else -1]), head=AUTOCOMMIT, by=by)
    assert left(engine)[:2] == ONE[:2]
    migrate(project, engine)
    assert left(engine) == BOTH


@pytest.mark.parametrize(
    ("down", "head"),
    [(COMMITTED["db.commit()"], ""), ("run(db, undo)\nrun(db, wait)", AUTOCOMMIT)],
    ids=["after a commit", "outside of transactions"],
)
def test_on_the_way_to_base_the_pointer_is_gone_as_well(
    project: Project, engine: Engine, kill: Kill, down: str, head: str
) -> None:
    kill(down, head=head, stem=FIRST, by="to base")
    assert left(engine) == NONE
    migrate(project, engine)
    assert left(engine) == ONE


@pytest.mark.parametrize("commit", ["", "db.commit()"], ids=["never commits", "commits at its end"])
def test_before_its_only_commit_all_is_as_it_was(engine: Engine, kill: Kill, commit: str) -> None:
    kill(f"run(db, undo)\nrun(db, wait)\n{commit}")
    assert left(engine) == BOTH
