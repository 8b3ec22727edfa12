"""The folders of other teams (`tests/folders`), under bridge and, ejected, under Alembic alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.dump import dump_schema
from support.folders import Site
from support.project import Project
from support.teams import TEAMS, Team

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL

pytestmark = pytest.mark.long


#: In a new database `init` cannot know what the team's own runner calls its ledger.
BOOKS = ("schema_migrations", "alembic_version")


def made(site: Site) -> dict[str, Any]:
    """What the files have made, rows included."""
    left: Any = site.left()
    return {
        "schema": dump_schema(site.url, exclude=[f"*.{name}" for name in BOOKS]),
        "rows": {
            name: rows
            for name, rows in left["rows"].items()
            if name.rpartition(".")[2] not in BOOKS
        },
    }


@pytest.mark.parametrize(
    "team",
    # One of its files opens a connection of its own, to the database of DATABASE_URL.
    [team for team in TEAMS if team.name != "plain"],
    ids=lambda team: team.name,
)
def test_a_folder_of_another_team_leaves_as_it_came(
    team: Team, tmp_path: Path, server_url: URL, create_database: Callable[[], URL]
) -> None:
    under_bridge = Site(team, tmp_path / "bridge", create_database())
    for command in ("init", "--wait-for-lock=60"):
        under_bridge.eai(command)
    site = Site(team, tmp_path / "ejected", create_database())
    site.eai("init")
    scratch = server_url.set(drivername="postgresql").render_as_string(hide_password=False)
    site.eai("eject", "--scratch-url", scratch)
    (site.path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
        "prepend_sys_path = %(here)s:%(here)s/alembic\n"
    )
    Project(site.path, site.url).program("alembic", "upgrade", "head", check=True)
    assert made(site) == made(under_bridge)
