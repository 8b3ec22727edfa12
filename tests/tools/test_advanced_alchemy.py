"""advanced-alchemy: its commands, with the option that docs/pages/alembic.md names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.alembic_books import books, write_three
from support.selection import few

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

PROGRAM = """\
import os
from advanced_alchemy.alembic.commands import AlembicCommands
from advanced_alchemy.config import Alembic{kind}Config, SQLAlchemy{kind}Config
from sqlalchemy import make_url

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+{driver}")
commands = AlembicCommands(SQLAlchemy{kind}Config(
    connection_string=url.render_as_string(hide_password=False),
    alembic_config=Alembic{kind}Config(
        script_location="bridge:environment", script_config="alembic.ini"
    ),
))
commands.upgrade("001")
commands.upgrade()
commands.current()
commands.downgrade("-1")
commands.history()
"""


@pytest.mark.parametrize(("kind", "driver"), few([("Async", "asyncpg"), ("Sync", "psycopg2")]))
def test_its_commands_work(project: Project, engine: Engine, kind: str, driver: str) -> None:
    write_three(project)
    (project.path / "program.py").write_text(PROGRAM.format(kind=kind, driver=driver))
    done = project.program("python", "program.py", check=True)
    assert done.stdout.startswith("003_three (head)\n")
    assert "<base> -> 001_one, Create one" in done.stdout
    assert books(engine).applied == ["001_one", "002_two"]
