"""A project whose database is named in its `.env`, through every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.running import column

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

LOOKS = """\
import os

description = "Looks at the environment"

def upgrade(db):
    print("sees", os.environ.get("DATABASE_URL"), os.environ.get("OTHER"))
"""


def test_every_way_in_reads_it_and_no_migration_sees_it(project: Project, engine: Engine) -> None:
    assert project.url is not None
    url = project.url.render_as_string(hide_password=False)
    project.ini(extra="env_file = .env\n")
    (project.path / ".env").write_text(f"DATABASE_URL={url}\nOTHER=1\nBRIDGE_LOG_FORMAT=json\n")
    project.write("001_a", LOOKS)
    project.write("002_b", LOOKS)
    unset = {"DATABASE_URL": None}

    told = project.eai("migrate", "--to", "001", env={**unset, "BRIDGE_LOG_FORMAT": "text"})
    assert told.returncode == 0
    assert f"(from DATABASE_URL in {project.path}/.env)" in told.stderr
    assert "sees None None" in told.stdout + told.stderr
    assert project.program("alembic", "current", env=unset).stdout.startswith("001_a")
    library = project.python(
        """
        import bridge, os
        done = [each.stem for each in bridge.upgrade().applied]
        print(done, os.environ.get("DATABASE_URL"))
        """,
        env=unset,
    )
    assert library.stdout.splitlines()[-1] == "['002_b'] None"
    assert column(engine, "SELECT version FROM schema_migrations ORDER BY 1") == ["001_a", "002_b"]

    # A plain `eai migrate` is answered before the settings are known to be those of JSON.
    done = project.eai("migrate", env=unset)
    assert '"event": "run.database"' in done.stderr
    assert (done.returncode, done.stdout) == (0, "")

    script = project.eai("migrate", "--sql", env={**unset, "BRIDGE_LOG_FORMAT": "text"})
    assert "nothing to do from 002_b on" in script.stdout
    wrong = project.eai("migrate", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert wrong.returncode == 75
