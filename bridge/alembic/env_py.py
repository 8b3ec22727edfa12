"""The env.py of a command: bridge's own, or that of a team, which calls `run_environment`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import context
from alembic.script import ScriptDirectory
from alembic.util import load_python_file
from alembic.util.pyfiles import coerce_resource_to_filename

from bridge import ENVIRONMENT
from bridge.config import values
from bridge.config.sources import Found
from bridge.errors import UsageError

if TYPE_CHECKING:
    from alembic.config import Config

    from bridge.config.settings import Settings


def environment_folder(config: Config, settings: Settings) -> str:
    """Return the folder of env.py: bridge's own, or that of the team."""
    location = config.get_alembic_option("script_location")
    if location in {None, ENVIRONMENT}:
        return str(Path(__file__).parent.parent / "environment")
    folder = coerce_resource_to_filename(os.fspath(location))
    # Alembic means the working directory; commands here also run from other folders.
    beside = Path(settings.config_file or "").parent / folder
    return str(beside if (beside / "env.py").exists() else folder)


class RunsEnvPy(ScriptDirectory):
    """A script directory whose env.py need not lie in it, and leaves the work to bridge."""

    def __init__(self, *, folder_of_env_py: str, **options: Any) -> None:
        super().__init__(folder_of_env_py, **options)
        self._folder_of_env_py = folder_of_env_py
        #: Whether an env.py was run that has not called `bridge.run_environment` so far.
        self.unserved = False

    def errors_for_alembic(self) -> AbstractContextManager[None]:
        """Turn bridge's errors into what Alembic's caller expects, inside this block."""
        raise NotImplementedError

    @property
    def env_py_location(self) -> str:
        """As Alembic's: the path of env.py."""
        return str(Path(self._folder_of_env_py, "env.py"))

    def run_env(self) -> None:
        """As Alembic's; refuses an env.py that does not leave the work to `run_environment`."""
        self.unserved = True
        with _before_migrations(self._refuse_unserved):
            load_python_file(self._folder_of_env_py, "env.py")
        self._refuse_unserved()

    def _refuse_unserved(self) -> None:
        if self.unserved:
            with self.errors_for_alembic():
                raise _never_called(self.env_py_location)


@contextmanager
def _before_migrations(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` in this block whenever an env.py has Alembic begin its work.

    Earlier than with the first of the steps: Alembic creates its table before it asks for them.
    """
    original = context.run_migrations

    def run_migrations(**arguments: Any) -> None:
        check()
        original(**arguments)

    context.run_migrations = run_migrations
    try:
        yield
    finally:
        context.run_migrations = original


def _never_called(env_py: str) -> UsageError:
    """Return the error for an env.py that goes to Alembic by itself."""
    return UsageError(
        f"{env_py} does not call bridge.run_environment(context), so that Alembic would work "
        "without the ledger. Nothing was run, recorded or written. Call it in place of "
        "context.configure() and context.run_migrations(); or, if these are no plain files, "
        "remove plain_files from alembic.ini."
    )


def with_schema(settings: Settings, given: Any) -> Settings:
    """Return the settings for the schema of both tables that an env.py has chosen, if it has.

    Raises UsageError for what is not the name of one, or not the one that is set.
    """
    if given is None:
        return settings
    where = "The version_table_schema that run_environment() was given"
    schema = values.name(Found(given, where, Path()))
    if settings.version_table_schema not in {None, schema}:
        raise UsageError(
            f"{where} is {schema}, and the one that is set is {settings.version_table_schema}: "
            "nobody can tell where the records are. Nothing was done. Remove the setting, or give "
            "run_environment() none."
        )
    return replace(settings, version_table_schema=schema)
