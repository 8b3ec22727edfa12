"""Prove that an ejected project makes what the plain files make: in two scratch databases.

In one the plain files run as ever, in the other Alembic runs the project, in a process of its own
in which bridge does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.database.url import rendered
from bridge.errors import FilesError, MigrationError
from bridge.files.folder import scan
from bridge.operations.eject.configuration import trial_ini
from bridge.operations.schema import build
from bridge.operations.schema.compare import server_of
from bridge.operations.schema.difference import differences, unified
from bridge.operations.schema.entries import Entry, text_of
from bridge.operations.schema.pg_dump import dump_schema
from bridge.operations.schema.reading import read_contents
from bridge.reporting import events

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.operations.schema.build import Scratch

#: What would choose another database, or another configuration.
_NOT_HANDED_ON: Final = frozenset({"ALEMBIC_CONFIG", "MIGRATION_DATABASE_URL"})
#: How much of what Alembic says is shown: the last lines have the error.
_SHOWN_LINES: Final = 12


def prove(request: Request, scratch: Scratch, folder: Path) -> None:
    """Run the plain files, and the project in `folder`, and compare what they make.

    Raises MigrationError if the project cannot run, FilesError if it makes something else, and
    what a run raises.
    """
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    with build.empty(settings, scratch) as database:
        build.run_all(request, database)
        here = replace(request, database=database, embedded=False)
        without = read_contents(here, settings, files).bookkeeping
        expected = _schema(here, settings, database, without)
    with build.empty(settings, scratch) as database:
        request.reporter.tell(events.Note("Running the written project in another one."))
        _run_alembic(settings, database, folder)
        here = replace(request, database=database, embedded=False)
        actual = _schema(here, settings, database, without)
    if actual != expected:
        raise _differs(actual, expected)


def _schema(
    request: Request, settings: Settings, database: Database, without: tuple[str, ...]
) -> tuple[Entry, ...]:
    server = server_of(request, settings)
    return dump_schema(database, server, without_tables=without, wait=settings.wait_for_lock)


def _run_alembic(settings: Settings, database: Database, folder: Path) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (name in _NOT_HANDED_ON or name.startswith("BRIDGE_"))
    }
    with tempfile.TemporaryDirectory() as place:
        ini = Path(place, "alembic.ini")
        ini.write_text(trial_ini(folder, settings.prepend_sys_path), encoding="locale")
        done = subprocess.run(
            # -P: in a working directory may lie something called alembic.
            [sys.executable, "-P", "-m", "alembic", "-c", str(ini), "upgrade", "head"],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            cwd=Path(settings.config_file).parent if settings.config_file else None,
            env={**kept, "DATABASE_URL": rendered(database.url), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    if done.returncode:
        lines = f"{done.stderr}{done.stdout}".splitlines()  # Alembic's own errors are in the second
        said = "\n".join(f"  {line}" for line in lines[-_SHOWN_LINES:])
        raise MigrationError(
            "The written project does not run under Alembic alone, although the plain files run. "
            f"Alembic said:\n{said}\nThis was in a scratch database, which is dropped again. "
            f"Nothing was written. {_SIMPLER}"
        )


def _differs(actual: tuple[Entry, ...], expected: tuple[Entry, ...]) -> FilesError:
    found = [each.sentence for each in differences(actual, expected)]
    named = "what the files make under bridge", "what they make under Alembic alone"
    diff = unified(text_of(expected), text_of(actual), named=named)
    lines = "\n".join([*(f"  {line}" for line in found), diff])
    return FilesError(
        "Under Alembic alone the files make something else. (Both were run in scratch databases, "
        f"which are dropped again.)\n{lines}\nNothing was written. {_SIMPLER}"
    )


_SIMPLER: Final = (
    "Correct the file that it names, so that it does the same under both, then type the same "
    "command again."
)
