"""`eai migrate new`: write the next plain file, empty or from the models.

It runs Alembic's own ``revision``, so that hooks and options of the project count as they do
there. Without a comparison no database is needed.
"""

from __future__ import annotations

import shlex

from bridge.alembic.commands import write_revision
from bridge.alembic.invocation import Invocation
from bridge.database.request import Request
from bridge.errors import FolderMissing


def create(request: Request, message: str, *, autogenerate: bool = False) -> tuple[str, ...]:
    """Write a new migration and return its path; none if a comparison has found nothing.

    More than one only if the project's own hooks make several. Raises UsageError, FilesError or
    LedgerError, and then nothing was written.
    """
    try:
        return write_revision(Invocation(request=request), message, autogenerate=autogenerate)
    except FolderMissing as error:
        raise _no_folder_yet(request.settings().folder) from error


def _no_folder_yet(folder: str) -> FolderMissing:
    """Return the error for a missing folder, as each new project has it."""
    return FolderMissing(
        f"The folder of migrations {folder} does not exist yet. Nothing was written. Type "
        f"mkdir -p {shlex.quote(folder)} and the same command again, or correct version_locations "
        "in alembic.ini, which names it."
    )
