"""What is known of each of the folders of `tests/folders`: its team's runner, ledger and habits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(__file__).parents[1] / "folders"

_MIGRATION = re.compile(r"[vV]?(\d+)_.*\.py")


@dataclass(frozen=True)
class Team:
    """What is known of one of the folders."""

    name: str
    #: From the root of the project.
    runner: str = "runner.py"
    migrations: str = "migrations"
    #: The team's ledger, with its schema if that is not the tables' own.
    ledger: str = "schema_migrations"
    #: What `init` has to write where the database has the team's ledger.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Whether the team's runner sorts by number.
    by_number: bool = False
    #: Columns of the ledger that tell how a run went rather than what was applied.
    of_a_run: tuple[str, ...] = ()
    #: Whether its last migration can be taken back.
    downgrades: bool = True

    @property
    def stems(self) -> list[str]:
        """Its migrations, in the order in which its runner runs them."""
        folder = SOURCE / self.name / self.migrations
        found = [(match, match[0]) for match in map(_MIGRATION.fullmatch, _names(folder)) if match]
        found.sort(key=lambda each: (int(each[0][1]) if self.by_number else 0, each[1]))
        return [name.removesuffix(".py") for _, name in found]

    @property
    def slugs(self) -> list[str]:
        """What the names say beside the numbers, which each migration writes when it runs.

        A table with the names themselves could be taken for a ledger.
        """
        return [re.sub(r"^[vV]?\d+_+", "", stem) for stem in self.stems]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


#: The ten of them.
TEAMS = (
    Team("plain"),
    Team(
        "cursor",
        runner="migrate.py",
        ledger="schema_version",
        settings={
            "argument": "cursor",
            "upgrade_function": "up",
            "downgrade_function": "down",
            "ledger_table": "schema_version",
            "ledger_key_form": "number",
        },
    ),
    Team(
        "connection",
        runner="migrate.py",
        migrations="db/migrations",
        ledger="migrations",
        settings={
            "argument": "connection",
            "ledger_table": "migrations",
            "ledger_key": "filename",
            "ledger_key_form": "file",
        },
    ),
    Team(
        "engine",
        migrations="app/migrations",
        settings={"argument": "engine", "ledger_key": "migration_id"},
    ),
    Team(
        "versioned",
        runner="migrate.py",
        by_number=True,
        settings={
            "argument": "dbapi",
            "upgrade_function": "up",
            "downgrade_function": "down",
            "order": "number",
            "ledger_key_form": "number",
        },
    ),
    Team(
        "committing",
        runner="db/migrate.py",
        migrations="db/migrations",
        ledger="_migrations",
        settings={
            "argument": "dbapi",
            "ledger_table": "_migrations",
            "ledger_key": "path",
            "ledger_key_form": "path",
        },
    ),
    Team("with_sqlmodel", migrations="app/migrations", settings={"ledger_key": "name"}),
    Team(
        "own_schema",
        ledger="ops.migration_history",
        by_number=True,
        of_a_run=("batch", "duration_ms"),
        settings={
            "argument": "engine",
            "order": "number",
            "ledger_table": "migration_history",
            "ledger_key": "script",
            "ledger_key_form": "path",
            "version_table_schema": "ops",
        },
    ),
    Team(
        "same_numbers",
        runner="migrate.py",
        settings={"ledger_key": "filename", "ledger_key_form": "file"},
        downgrades=False,
    ),
    Team(
        "dated",
        ledger="applied_migrations",
        settings={
            "argument": "cursor",
            "ledger_table": "applied_migrations",
            "ledger_key_form": "number",
        },
    ),
)
