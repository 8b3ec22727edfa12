"""Compare the schema file with what the files make: `eai migrate check --schema`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.files.folder import scan
from bridge.operations.schema import build
from bridge.operations.schema.compare import refuse_other_version, server_of
from bridge.operations.schema.difference import unified
from bridge.operations.schema.dump import content_of
from bridge.operations.schema.file import read
from bridge.operations.schema.load import no_schema_file

if TYPE_CHECKING:
    from bridge.database.request import Request
    from bridge.operations.schema.build import Scratch

#: The two sides of the difference.
_NAMES = "the schema file", "what the migrations make"


@dataclass(frozen=True, slots=True)
class Outdated:
    """A schema file that is not what the files make."""

    path: str
    #: From the file to what the files make; None if there is no file.
    diff: str | None


def outdated(request: Request, scratch: Scratch) -> Outdated | None:
    """Return how the schema file differs from what the files make; None if it does not.

    Raises UsageError if none is configured, or it was written with another major version of
    PostgreSQL than the scratch server has, and what a run raises.
    """
    settings = request.settings()
    if settings.schema_file is None:
        raise no_schema_file("There is nothing to compare")
    found = read(settings.schema_file)
    if found is None:
        return Outdated(settings.schema_file, None)
    scan(settings.folder, settings.conventions)
    with build.empty(settings, scratch) as database:
        here = replace(request, database=database, embedded=False)
        if found.major is not None:
            refuse_other_version(found.major, server_of(here, settings).major, found.path)
        build.run_all(request, database)
        content = content_of(here, settings)
    if found.text == content.text:
        return None
    return Outdated(found.path, unified(found.text, content.text, named=_NAMES))
