"""Compare a database with what its applied migrations make: `eai migrate compare`. It only reads.

The applied files run in a scratch database, in the order in which the database has applied them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bridge.database.connected import database_of, opened
from bridge.database.scratch import ASKED_WITH
from bridge.errors import LedgerError, TryAgain, UsageError
from bridge.files.folder import scan
from bridge.ledger.drift import changed
from bridge.operations.read_only import looking
from bridge.operations.schema import build
from bridge.operations.schema.difference import DIFFERENT, Difference, differences, unified
from bridge.operations.schema.entries import Entry, text_of
from bridge.operations.schema.pg_dump import Server, dump_schema
from bridge.operations.schema.reading import Contents, read_contents
from bridge.reporting import events

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.database.database import Database
    from bridge.database.request import Request
    from bridge.operations.schema.build import Scratch

#: Rights are the matter of whoever runs the database.
_NOT_COMPARED = frozenset({"ACL", "DEFAULT ACL"})
#: The schemas on the search_path of a session unless somebody says otherwise.
_USUAL = ("public",)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A database beside what its applied migrations make."""

    #: The database in words.
    database: str
    #: The stems that ran, in their order.
    applied: tuple[str, ...]
    differences: tuple[Difference, ...]
    #: From what the files make to what the database has; empty where they are the same.
    diff: str
    #: The stems of applied files whose text is another one today.
    changed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if they are the same, else 4."""
        return DIFFERENT if self.differences or self.diff else 0

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {
            "database": self.database,
            "applied": list(self.applied),
            "changed": list(self.changed),
            "differences": [each.to_json() for each in self.differences],
            "diff": self.diff,
        }


def run_compare(
    request: Request, scratch: Scratch, *, without_schemas: Sequence[str] = ()
) -> Comparison:
    """Compare the database of the request with what its applied migrations make.

    `without_schemas` are left out on both sides. Raises LedgerError where the file of an applied
    migration is missing, UsageError where the two servers are not of one major version, TryAgain
    if the database was migrated meanwhile, and what a run raises.
    """
    settings = request.settings()
    files = scan(settings.folder, settings.conventions).files
    with opened(request, settings) as here:
        found = read_contents(here, settings, files)
        _refuse_missing(found)
        scratch = _like(found, scratch)
        applied = tuple(entry.stem for entry in found.history.applied)
        with build.empty(settings, scratch) as made:
            there = replace(here, database=made)
            server = server_of(there, settings)
            refuse_other_version(found.server.major, server.major, "The database")
            if applied:
                build.run_in_order(there, made, applied)
            expected = _schema(made, server, found, settings, without_schemas)
        name = database_of(here)
        request.reporter.tell(events.Working("reading the schema of the database"))
        actual = _schema(name, found.server, found, settings, without_schemas)
        if not found.same_record(read_contents(here, settings, files)):
            raise TryAgain(
                "The database was migrated while it was compared. Nothing was changed. Run the "
                "same command again."
            )
    named = "what the files make", "what the database has"
    return Comparison(
        name.describe(),
        applied,
        differences(actual, expected),
        unified(text_of(expected), text_of(actual), named=named),
        tuple(entry.stem for entry in changed(found.history)),
    )


def refuse_other_version(one: int, scratch: int, what: str) -> None:
    """Refuse to compare what two major versions of PostgreSQL say; `what` names the first."""
    if one != scratch:
        raise UsageError(
            f"{what} is of PostgreSQL {one}, and the scratch database would be on PostgreSQL "
            f"{scratch}: they write the same schema differently. Nothing was compared. Name a "
            f"server of PostgreSQL {one}, on which a database may be created: {ASKED_WITH} URL"
        )


def _refuse_missing(found: Contents) -> None:
    # One that a squash explains is missing all the same.
    if missing := [entry.stem for entry in found.history.applied if entry.file is None]:
        raise LedgerError(
            f"{', '.join(missing)}: applied in this database, and the file is missing, so that "
            "nobody can tell what it made. Nothing was compared. Restore the file; or compare "
            "with the code that has it."
        )


def _like(found: Contents, scratch: Scratch) -> Scratch:
    """Let files make their tables in the schema in which they have made them here."""
    return scratch if found.schemas == _USUAL else replace(scratch, schemas=found.schemas)


def server_of(request: Request, settings: Settings) -> Server:
    """Ask the database of a request for its server."""
    with looking(request, settings) as connection:
        return Server.of(connection)


def _schema(
    database: Database,
    server: Server,
    found: Contents,
    settings: Settings,
    without_schemas: Sequence[str],
) -> list[Entry]:
    entries = dump_schema(
        database,
        server,
        without_tables=found.bookkeeping,
        without_schemas=without_schemas,
        wait=settings.wait_for_lock,
    )
    return [each for each in entries if each.kind not in _NOT_COMPARED]
