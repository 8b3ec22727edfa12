"""Audit-Alembic, which an env.py gives to `on_version_apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from support.alembic_books import write_three

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

ENV_PY = """\
from alembic import context
from audit_alembic import Auditor
import bridge
bridge.run_environment(context, on_version_apply=Auditor.create("1.0").listen)
"""
INI = """\
[alembic]
script_location = %(here)s/db
plain_files = true
version_locations = %(here)s/migrations
path_separator = os
"""
KEPT = """
SELECT alembic_version, operation_type, operation_direction FROM alembic_version_history
ORDER BY changed_at, id
"""


def test_it_keeps_every_step(project: Project, engine: Engine) -> None:
    write_three(project)
    (project.path / "db").mkdir()
    (project.path / "db" / "env.py").write_text(ENV_PY)
    project.ini(INI)
    project.program("alembic", "upgrade", "002", check=True)
    project.program("alembic", "downgrade", "-1", check=True)
    project.program("alembic", "stamp", "head", check=True)
    with engine.connect() as connection:
        assert connection.execute(text(KEPT)).all() == [
            ("001_one", "migration", "up"),
            ("002_two", "migration", "up"),
            ("001_one", "migration", "down"),
            ("003_three", "stamp", "up"),
        ]
