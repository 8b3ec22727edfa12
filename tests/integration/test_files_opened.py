"""How often a file is opened: once for what it replaces, and once where its text is needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from bridge.files.plain_file import text_checksum
from support.books import LOGGED
from support.running import NOTE_OPENED

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

STEMS = ["001_a", "002_b", "003_c"]

#: Runs what `main` imports and calls, and tells what was opened and loaded for it.
RUN = (
    NOTE_OPENED
    + """
import contextlib, io

with contextlib.redirect_stdout(io.StringIO()) as told:
    {main}
folder = os.path.realpath("migrations")
opened = [os.path.basename(p) for p in opened if os.path.dirname(os.path.realpath(p)) == folder]
print(json.dumps(dict(opened=opened, loaded=sorted(sys.modules), told=told.getvalue())))
"""
)
HISTORY = 'from alembic.config import main; main(["history"])'
HEADS = 'from alembic.config import main; main(["heads"])'
UPGRADE = 'import bridge; bridge.upgrade(os.environ["DATABASE_URL"])'
DOWNGRADE = 'from alembic.config import main; main(["downgrade", "base"])'


@pytest.fixture
def three(project: Project) -> Project:
    for stem in STEMS:
        project.write(stem, LOGGED.format(stem=stem))
    return project


def run(project: Project, main: str) -> dict[str, Any]:
    done = project.python(RUN.replace("{main}", main), check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_every_file_is_opened_once_when_it_is_applied_and_once_when_it_is_reverted(
    three: Project, engine: Engine
) -> None:
    """And all of them before that, once: any might stand for others."""
    files = [f"{stem}.py" for stem in STEMS]
    assert run(three, UPGRADE)["opened"] == files + files
    with engine.connect() as connection:
        ran = connection.scalars(text("SELECT what FROM ran ORDER BY id")).all()
        assert ran == STEMS
    assert run(three, DOWNGRADE)["opened"] == files + files[::-1]


def test_a_listing_opens_files_once_if_it_shows_them_and_loads_nothing_to_run_them(
    three: Project,
) -> None:
    history = run(three, HISTORY)
    assert history["told"].splitlines()[0] == "002_b -> 003_c (head), About 003_c"
    files = [f"{stem}.py" for stem in STEMS]
    assert sorted(history["opened"]) == sorted(files + files)
    loaded = {name for name in history["loaded"] if name.partition(".")[0] == "bridge"}
    others = {
        "files.new_file",
        "alembic.environment",
        "ledger.tables",
        "execution.runner",
        "execution.session",
        "database.engine",
    }
    assert loaded.isdisjoint({f"bridge.{name}" for name in others})
    assert {"psycopg2", "typer", "rich"}.isdisjoint(history["loaded"])
    heads = run(three, HEADS)
    assert (heads["told"], heads["opened"]) == ("003_c (head)\n", files)


def test_what_was_read_before_the_run_is_what_runs_and_what_is_recorded(
    three: Project, engine: Engine
) -> None:
    """As when a newer release is unpacked over the folder while the first migration takes long."""
    original = LOGGED.format(stem="002_b")
    replace = f"open({str(three.migrations / '002_b.py')!r}, 'w').write('raise SystemExit(9)')"
    first = LOGGED.format(stem="001_a")
    three.write("001_a", first.replace("def upgrade(db):\n", f"def upgrade(db):\n    {replace}\n"))
    run(three, UPGRADE)
    with engine.connect() as connection:
        ran = connection.scalars(text("SELECT what FROM ran ORDER BY id")).all()
        row = text("SELECT checksum FROM schema_migrations WHERE version = '002_b'")
        assert (ran, connection.scalar(row)) == (STEMS, text_checksum(original))
