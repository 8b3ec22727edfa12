"""Flask-Migrate, with the lines of docs/pages/alembic.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import books, tables, write_three
from support.tools import recipe

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

APP = """\
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
db = SQLAlchemy(app)

for name in ("one", "two", "three"):
    db.Table(name, db.Column("id", db.Integer))
"""

#: Types each line as a command; in one process, because each start takes its time.
TYPES = """
import sys
from app import app
for line in sys.argv[1:]:
    print("$", line, flush=True)
    done = app.test_cli_runner().invoke(args=["db", *line.split()])
    print(done.output, "exit ", done.exit_code, sep="", flush=True)
"""


@pytest.fixture
def app(project: Project) -> Project:
    write_three(project)
    (project.path / "app.py").write_text(APP + recipe("Flask-Migrate"))
    return project


def flask(app: Project, *lines: str) -> tuple[list[str], str]:
    """What each of the commands of `flask db` prints, and what they say on stderr."""
    done = app.program("python", "-c", TYPES, *lines, check=True)
    told = done.stdout.split("$ ")[1:]
    return [each.partition("\n")[2] for each in told], done.stderr


def test_the_commands_of_flask_db_work(app: Project, engine: Engine) -> None:
    told, stderr = flask(
        app,
        "heads",
        "history",
        "upgrade 001",
        "current",
        "upgrade --sql 001:002",
        "upgrade",
        "current",
        "check",
        "show 002",
        "downgrade",
    )
    assert [each.splitlines()[-1] for each in told] == ["exit 0"] * len(told), stderr
    heads, history, _, first, sql, _, last, check, show, _ = told
    assert "003_three (head)" in heads
    assert "<base> -> 001_one, Create one" in history
    assert first.startswith("001_one\n")
    assert "INSERT INTO schema_migrations" in sql
    assert last.startswith("003_three (head)\n")
    assert "No new upgrade operations detected" in check
    assert "Migration: The table two" in show
    assert books(engine).applied == ["001_one", "002_two"]


def test_flask_db_migrate_writes_the_next_file(app: Project, engine: Engine) -> None:
    code = (app.path / "app.py").read_text()
    (app.path / "app.py").write_text(code.replace('"three"):', '"three", "four"):'))
    told, stderr = flask(
        app, "upgrade", "migrate -m four", "upgrade", "migrate -m nothing", "revision -m by_hand"
    )
    assert [each.splitlines()[-1] for each in told] == ["exit 0"] * len(told), stderr
    assert "CREATE TABLE four" in (app.migrations / "004_four.py").read_text()
    assert "four" in tables(engine)
    # Where nothing differs, no file is written.
    assert sorted(path.name for path in app.migrations.glob("*.py"))[3:] == [
        "004_four.py",
        "005_by_hand.py",
    ]


def test_flask_db_says_what_bridge_says(app: Project, engine: Engine) -> None:
    app.write("004_fails", "def upgrade(db):\n    raise ValueError('on purpose')\n")
    (upgrade, merge), stderr = flask(app, "upgrade", "merge heads")
    assert "Error: 004_fails failed" in upgrade
    assert "Error: There is nothing to merge: plain files form one history" in merge
    assert [each.splitlines()[-1] for each in (upgrade, merge)] == ["exit 1", "exit 1"]
    assert "Traceback" not in upgrade + merge + stderr
    assert books(engine).applied == ["001_one", "002_two", "003_three"]


def test_eai_and_alembic_share_its_database_and_its_files(app: Project, engine: Engine) -> None:
    flask(app, "upgrade 001")
    app.alembic("upgrade", "+1", check=True)
    app.eai("migrate", check=True)
    assert books(engine).applied == ["001_one", "002_two", "003_three"]
    told, _ = flask(app, "current")
    assert told[0].startswith("003_three (head)\n")
