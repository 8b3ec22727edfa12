"""Write the schema file: `eai migrate dump`, and after a run that has applied something."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.database.connected import database_of, opened
from bridge.errors import LedgerError
from bridge.files.folder import scan
from bridge.operations.schema import build
from bridge.operations.schema.build import Scratch
from bridge.operations.schema.entries import Entry, filled, refresh, text_of
from bridge.operations.schema.file import SchemaFile, refuse_other, write
from bridge.operations.schema.pg_dump import dump_schema
from bridge.operations.schema.reading import Contents, read_contents
from bridge.operations.schema.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config.settings import Settings
    from bridge.database.request import Request

#: Said in place of tables, of a database that others write into.
_ANY_ROWS = "the database that it was written from"


@dataclass(frozen=True, slots=True)
class Written:
    """A schema file that was written."""

    path: str
    #: Whether it was another one before.
    changed: bool
    content: SchemaFile


def make(request: Request, scratch: Scratch) -> SchemaFile:
    """Run the files in a scratch database, and return what they make.

    Raises what a run raises, and a UsageError where there is no server or no pg_dump.
    """
    settings = request.settings()
    scan(settings.folder, settings.conventions)  # what is wrong with it needs no server
    with build.empty(settings, scratch) as database:
        build.run_all(request, database)
        return content_of(replace(request, database=database, embedded=False), settings)


def make_from_database(request: Request) -> SchemaFile:
    """Return what the configured database has, and records as applied; writes nothing.

    Raises LedgerError if it records nothing.
    """
    settings = request.settings()
    with opened(request, settings) as here:
        return content_of(here, settings, is_scratch=False)


def write_schema_file(request: Request, scratch: Scratch, path: str) -> Written:
    """Run the files in a scratch database, and put what they make into this file."""
    refuse_other(path)
    content = make(request, scratch)
    return Written(path, write(path, content.text), content)


def content_of(request: Request, settings: Settings, *, is_scratch: bool = True) -> SchemaFile:
    """Return what the database of a request has and records, as a schema file.

    Of a scratch database it says in which tables the files have put rows. Raises LedgerError if
    nothing is recorded.
    """
    files = scan(settings.folder, settings.conventions).files
    found = read_contents(request, settings, files, rows=is_scratch)
    database = database_of(request)
    if not found.history.applied:
        raise LedgerError(
            f"Nothing is recorded as applied in {database.describe()}, so there is no schema of "
            "migrations to write down. Nothing was written. To run the files in a scratch "
            "database, leave --from-database out."
        )
    entries = dump_schema(database, found.server, wait=settings.wait_for_lock)
    rows = _ANY_ROWS if found.filled is None else ", ".join(found.filled)
    objects = text_of([*entries, *_refreshed(entries, found)])
    applied = len(found.history.applied)
    return SchemaFile(found.server.major, objects, found.record(), rows, applied)


def _refreshed(entries: Sequence[Entry], found: Contents) -> list[Entry]:
    """Fill the materialized views that were filled: pg_dump makes them without their rows."""
    return [
        Entry("REFRESH", *name, refresh(quoted(name))) for name in filled(entries, found.populated)
    ]
