"""`eai migrate new`: the next plain file, empty or from a comparison with the models.

It runs Alembic's own ``revision``, so that hooks and options of the project count as they do
there. Without a comparison no database is needed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.errors import FolderMissing
from bridge.operations.request import Request
from bridge.operations.upgrade import alembic_here

if TYPE_CHECKING:
    from alembic.script import Script


def create(request: Request, message: str, *, autogenerate: bool = False) -> tuple[str, ...]:
    """Write a new migration and return its path; none if a comparison has found nothing.

    More than one only if the project's own hooks make several. Raises UsageError, FilesError or
    LedgerError, and then nothing was written.
    """
    request.attributes |= {"bridge.quiet": True, "bridge.new": True}
    try:
        with alembic_here():
            from alembic import command

            made = command.revision(request.alembic_config(), message, autogenerate=autogenerate)
    except FolderMissing as error:
        raise _no_folder_yet(request.settings().folder) from error
    several: Iterable[Script | None] = made if isinstance(made, list) else [made]
    return tuple(str(script.path) for script in several if script is not None)


def _no_folder_yet(folder: str) -> FolderMissing:
    """A new project is sure to meet this."""
    return FolderMissing(
        f"The folder of migrations {folder} does not exist yet. Nothing was written. Type "
        f"mkdir -p {shlex.quote(folder)} and the same command again, or correct version_locations "
        "in alembic.ini, which names it."
    )
