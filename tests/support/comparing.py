"""A project whose models a test changes, on a database that follows them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from bridge.alembic.invocation import KEY, Invocation
from bridge.database.request import Request
from support.dump import dump_schema
from support.models import become
from support.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from support.project import Project

#: The tables in which bridge keeps its records.
BOOKS = ("schema_migrations", "alembic_version")

INI = """\
[alembic]
script_location = bridge:environment
version_locations = %(here)s/migrations
path_separator = os
target_metadata = support.models:current
compare_server_default = true
include_schemas = true
"""

#: Leaves an empty database, but for the schema that everyone has.
RESET = """
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_|^information_schema$'
        LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', name);
        END LOOP;
        CREATE SCHEMA public;
    END
    $$
"""


@dataclass(frozen=True)
class Bench:
    """A project on a database, whose commands run in this process."""

    project: Project
    engine: Engine
    #: What the last commands have told.
    told: Recording = field(default_factory=Recording)

    def generate(self, message: str = "change", **options: Any) -> str:
        """The text of the file that a comparison writes; "" if it writes none."""
        script = self.run(command.revision, message, autogenerate=True, **options)
        return Path(script.path).read_text() if script else ""

    def upgrade(self) -> None:
        self.run(command.upgrade, "head")

    def downgrade(self) -> None:
        self.run(command.downgrade, "-1")

    def become(self, source: str) -> None:
        """Change the models and the database with them."""
        become(source)
        if self.generate("before"):
            self.upgrade()

    def check(self) -> None:
        """Fail if the database is not what the models say."""
        self.run(command.check)

    def run(self, do: Callable[..., Any], *args: Any, **options: Any) -> Any:
        config = Config(self.project.path / "alembic.ini", stdout=io.StringIO())
        config.attributes["connection"] = self.engine
        request = Request(reporter=self.told)
        config.attributes[KEY] = Invocation(request=request, writes_file=True)
        return do(config, *args, **options)

    def dump(self) -> str:
        return dump_schema(self.engine.url, exclude=BOOKS)

    def refused(self, **options: Any) -> str:
        """Why a comparison writes nothing."""
        there = set(self.project.migrations.iterdir())
        with pytest.raises(CommandError) as caught:
            self.generate(**options)
        assert set(self.project.migrations.iterdir()) == there
        return str(caught.value)


def body(source: str, direction: str = "upgrade") -> str:
    """The statements of one function, without what is the same in every file."""
    _, _, rest = source.partition(f"def {direction}(db):")
    _, _, rest = rest.partition("import text\n\n")
    return rest.partition("    db.commit()\n")[0]
