"""Two small migrations that are all or nothing, a run of them, and what it may have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bridge
from bridge.errors import BridgeError
from support.eye import looking

if TYPE_CHECKING:
    from sqlalchemy import URL

    from support.project import Project

STEMS = ["001_a", "002_b"]
_FILE = """\
from sqlalchemy import text

def upgrade(db):
    db.execute(text("INSERT INTO log (stem, mark) VALUES ('{stem}', 'a')"))
    db.execute(text("INSERT INTO log (stem, mark) VALUES ('{stem}', 'b')"))
    db.commit()
"""


def write_both(project: Project) -> None:
    """Write them into the project's folder."""
    for stem in STEMS:
        project.write(stem, _FILE.format(stem=stem))


def upgrade(project: Project, url: URL) -> BridgeError | None:
    """Run them and return bridge's error; whatever else it raises is a traceback for a person."""
    address = url.render_as_string(hide_password=False)
    try:
        bridge.upgrade(address, config=project.path / "alembic.ini", wait_for_server=0)
    except BridgeError as error:
        return error
    return None


def look(url: URL) -> list[str]:
    """What is recorded, once it is certain that this, and only this, was done, and once."""
    with looking(url) as eye:
        eye.settle()
        left = eye.look()
    assert left.pointer == left.recorded[-1:]
    assert left.marks == {(stem, mark): 1 for stem in left.recorded for mark in "ab"}
    return left.recorded
