"""A copy of a project of `tests/folders`, with a database of its own.

Its commands are the team's runner and bridge's, and what they leave is compared.
"""

from __future__ import annotations

import json
import shutil
import sys
from configparser import ConfigParser
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.databases import connect
from support.dump import dump_schema
from support.project import Project
from support.teams import SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import CompletedProcess

    from sqlalchemy import URL

    from support.teams import Team

#: A setting that has this value need not stand in alembic.ini.
DEFAULTS = {
    "argument": "session",
    "upgrade_function": "upgrade",
    "downgrade_function": "downgrade",
    "order": "name",
    "ledger_table": "schema_migrations",
    "ledger_key": "version",
    "ledger_key_form": "stem",
    "version_table_schema": "public",
}

#: What bridge may add to a ledger.
ADDED = {"checksum", "bridge_checksum", "execution_ms", "breaking"}

_TABLES = """
SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relkind IN ('r', 'p', 'm') AND nspname !~ '^pg_|^information_schema$' ORDER BY 1
"""
_SEQUENCES = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2"


@dataclass
class Site:
    """One copy of a team's project, with a database."""

    team: Team
    path: Path
    url: URL

    def __post_init__(self) -> None:
        shutil.copytree(
            SOURCE / self.team.name, self.path, ignore=shutil.ignore_patterns("__pycache__")
        )
        # As teams have it, and as both the driver and SQLAlchemy read it.
        self._project = Project(self.path, self.url.set(drivername="postgresql"))
        ((self.begun,),) = self.sql("SELECT clock_timestamp()")

    def hold(self, count: int) -> None:
        """Have the first so many of the migrations, and no others."""
        for place, stem in enumerate(self.team.stems):
            file = Path(self.team.migrations, f"{stem}.py")
            if place < count:
                shutil.copy(SOURCE / self.team.name / file, self.path / file)
            else:
                (self.path / file).unlink(missing_ok=True)

    def files(self) -> dict[str, bytes]:
        """All that is in the project."""
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    # Commands

    def own_runner(self, *, fails: bool = False) -> None:
        """Let the team's own runner apply what it finds to be pending."""
        _forget_models()
        done = self._project.script(self.team.runner, check=not fails)
        assert bool(done.returncode) == fails, done.stdout

    def eai(self, *arguments: str) -> CompletedProcess[str]:
        """Run `eai migrate` with these arguments."""
        _forget_models()
        return self._project.eai("migrate", *arguments, check=True)

    # What is there

    def status(self) -> dict[str, Any]:
        """What `eai migrate status` says, as JSON."""
        told: dict[str, Any] = json.loads(self.eai("status", "--json").stdout)
        return told

    def states(self) -> dict[str, str]:
        """What it says of each migration, and that nothing is wrong."""
        told = self.status()
        assert told["problems"] == [], told["problems"]
        return {each["version"]: each["state"] for each in told["migrations"]}

    def settings(self) -> dict[str, str]:
        """What `init` has written, without what has its default."""
        parser = ConfigParser(interpolation=None)
        parser.read(self.path / "alembic.ini")
        written = {name: parser["alembic"].get(name, default) for name, default in DEFAULTS.items()}
        return {name: value for name, value in written.items() if value != DEFAULTS[name]}

    def ran(self) -> list[str]:
        """What has run, in that order, each as often as it has run."""
        return [what for (what,) in self.sql("SELECT what FROM deploy_log ORDER BY id")]

    def recorded(self) -> list[tuple[Any, ...]]:
        """The ledger, to the last column."""
        return self.sql(f"SELECT xmin::text, * FROM {self.team.ledger} ORDER BY 2")

    def columns(self) -> list[str]:
        """The ledger's columns, in their order."""
        found = self.sql(
            "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
            f"AND attrelid = '{self.team.ledger}'::regclass ORDER BY attnum"
        )
        return [name for (name,) in found]

    def left(self) -> dict[str, object]:
        """Schema, rows and sequences; a time of this test is like any other."""
        tables = [name for (name,) in self.sql(_TABLES)]
        rows = {name: self._rows(name) for name in tables}
        return {
            "schema": dump_schema(self.url),
            "rows": rows,
            "sequences": self.sql(_SEQUENCES),
        }

    def _rows(self, table: str) -> list[list[str]]:
        hidden = self.team.of_a_run if table.endswith(self.team.ledger) else ()
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            names = [column.name for column in cursor.description]
            found = [
                [
                    self._shown(value)
                    for name, value in zip(names, row, strict=True)
                    if name not in hidden
                ]
                for row in cursor
            ]
        return sorted(found)

    def _shown(self, value: object) -> str:
        if isinstance(value, datetime):
            # The same clock, whatever the zone of a column without one.
            begun = self.begun.replace(tzinfo=value.tzinfo and self.begun.tzinfo)
            return "a time of this test" if value > begun - timedelta(days=1) else repr(value)
        return repr(value)

    # What is not to be compared

    def take_away_bridge(self, columns: Sequence[str]) -> None:
        """Drop what bridge has added; of the ledger these columns are the team's."""
        added = [name for name in self.columns() if name not in columns]
        assert set(added) <= ADDED, added
        for name in added:
            self.sql(f"ALTER TABLE {self.team.ledger} DROP COLUMN {name}")
        self.sql(f"COMMENT ON TABLE {self.team.ledger} IS NULL")
        schema = self.team.ledger.rpartition(".")[0] or "public"
        self.sql(f"DROP TABLE {schema}.alembic_version")

    def take_away_ledgers(self) -> None:
        """Drop whatever records migrations, whoever has made it."""
        for name in (self.team.ledger, "schema_migrations", "alembic_version"):
            self.sql(f"DROP TABLE IF EXISTS {name}")
        if "." in self.team.ledger:
            self.sql(f"DROP SCHEMA IF EXISTS {self.team.ledger.partition('.')[0]}")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor) if cursor.description else []


def _forget_models() -> None:
    """Let the next command define its models of SQLModel, which keeps them for the process."""
    if (sqlmodel := sys.modules.get("sqlmodel")) is not None:
        sqlmodel.SQLModel._sa_registry.dispose()
        sqlmodel.SQLModel.metadata.clear()
