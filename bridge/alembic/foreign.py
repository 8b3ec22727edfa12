"""Read the Alembic project of a team that has none of bridge yet, and run its revisions.

Its env.py is not run: it could find another database than the one that is meant, and migrate that.
The revisions run as Alembic's own environment would run them, each in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, to_tuple

from bridge.database.driver_errors import first_line
from bridge.errors import FilesError, MigrationError, UsageError
from bridge.reporting.events import Direction

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.config.sources import ConfigFiles


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of an Alembic project."""

    id: str
    path: str
    #: What its message says, in one line; empty where it has none.
    message: str
    #: The revisions that it follows, and those that it depends on.
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]


class ForeignProject:
    """An Alembic project, read by Alembic itself; its modules are imported, as Alembic does."""

    def __init__(self, config: Config, script: ScriptDirectory) -> None:
        self._config = config
        self._script = script

    @property
    def env_py(self) -> Path:
        """Where its environment is."""
        return Path(self._script.env_py_location)

    @property
    def table(self) -> str:
        """The version table of the runs in scratch databases."""
        return "alembic_version"

    @classmethod
    def read(cls, files: ConfigFiles | None, folder: Path | None) -> ForeignProject:
        """Read the project of a configuration, or of the folder of an env.py, or of both.

        Raises UsageError if Alembic cannot read it.
        """
        ini = files.ini if files else None
        config = Config(ini, toml_file=files.toml if files else None)
        try:
            _locate(config, ini.parent if ini else None, folder)
            script = ScriptDirectory.from_config(config)
        except (CommandError, ImportError) as error:
            where = ini or folder
            raise UsageError(
                f"{where} is no project that Alembic can read: {error}. Nothing was written. Name "
                "its alembic.ini, or the folder of its env.py: --from PATH"
            ) from error
        # A revision that asks for it would go to the application's database.
        config.set_main_option("sqlalchemy.url", "")
        return cls(config, script)

    def revisions(self) -> tuple[Revision, ...]:
        """Return all of them, in no particular order; raises FilesError if one cannot be read."""
        try:
            scripts = list(self._script.walk_revisions())
        except Exception as error:
            raise FilesError(
                f"Alembic cannot read the revisions in {self._script.dir}: {first_line(error)}. "
                "Nothing was written. `alembic history` says the same; correct that first."
            ) from error
        return tuple(map(self._revision, scripts))

    def own_order(self) -> tuple[str, ...]:
        """Return the ids in the order in which Alembic brings a new database to all heads."""
        return tuple(reversed([each.revision for each in self._script.walk_revisions()]))

    def _revision(self, script: Script) -> Revision:
        # By the module, as Alembic itself gives each revision of a branch the branch's labels.
        module: Any = script.module
        named = to_tuple(script.dependencies, default=())
        needed = self._script.get_revisions(named) if named else ()
        return Revision(
            id=script.revision,
            path=str(script.path),
            message=" ".join((script.doc or "").split()),
            down=tuple(to_tuple(script.down_revision, default=())),
            depends_on=tuple(each.revision for each in needed),
            labels=tuple(to_tuple(getattr(module, "branch_labels", None), default=())),
        )

    @contextmanager
    def running(self, connection: Connection) -> Iterator[Callable[[str, Direction], None]]:
        """Return what runs one revision on this connection, which is in no transaction.

        It raises MigrationError if that fails.
        """

        def run(revision: str, direction: Direction) -> None:
            script = self._script.get_revision(revision)
            try:
                self._take_step(connection, script, direction)
            except Exception as error:
                raise MigrationError(
                    f"{script.path}: Alembic's own run of its {direction} failed in a scratch "
                    f"database: {type(error).__name__}: {first_line(error)}. Nothing was written."
                ) from error

        yield run

    def _take_step(self, connection: Connection, script: Any, direction: Direction) -> None:
        upgrades = direction is Direction.UPGRADE
        make = (
            MigrationStep.upgrade_from_script if upgrades else MigrationStep.downgrade_from_script
        )
        step = make(self._script.revision_map, script)
        with EnvironmentContext(
            self._config, self._script, fn=lambda *_: [step], destination_rev=script.revision
        ) as context:
            context.configure(
                connection=connection, version_table=self.table, transaction_per_migration=True
            )
            with context.begin_transaction():
                context.run_migrations()


def _locate(config: Config, beside: Path | None, folder: Path | None) -> None:
    """Say where the environment is, from wherever the command is typed."""
    location = config.get_alembic_option("script_location")
    if folder is not None and location is None:
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
    elif location and ":" not in location and beside and not Path(location).exists():
        config.set_main_option("script_location", str(beside / location).replace("%", "%%"))
