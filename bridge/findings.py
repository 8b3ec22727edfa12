"""The findings of preflight: each has a stable id, sentences, a file and a row.

Refusals and warnings are data until a command has decided what to do with them. The ids are
documented and stay as they are: people write them into scripts. Nothing of bridge is imported
here, so that an error can carry them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Every id, and what it means.
MEANINGS: Final = {
    # what cannot be believed
    "hidden-rows": "row level security hides rows of one of the two tables from this role",
    "not-a-table": "one of the two tables is a view, or something else that is no table",
    "other-schema": "a ledger is in another schema than the one in which files make their tables",
    "other-table": "another table holds the name of the first file, and the ledger is empty",
    "empty-folder": "something is recorded, and the folder holds no migration",
    # names
    "names-differ": "a row is a file under another spelling of its name",
    "two-rows": "two rows have one revision id",
    "renamed": "a pending file has the very text that is recorded under another name",
    "maybe-renamed": "a row without a checksum has no file, and a pending file may be it",
    "unstorable-name": "the ledger cannot hold the name of a file",
    # rows and pointer
    "foreign-ledger": "no row is a file of this folder",
    "failed-row": "a row says that its migration did not succeed, or was taken back",
    "foreign-version-table": "the version table is that of another Alembic environment",
    "lost-ledger": "the version table says that something ran, and no row says what",
    "rerun": "the first row was removed, and its migration runs again",
    "imported-unclear": "nobody can tell which imported files have run",
    "imported": "the version table names a revision of an Alembic history that was imported",
    "pointer-moved": "the version table says something else than the rows, which are believed",
    # files
    "breaking": "a migration that this folder lacks says that older releases cannot work",
    "order": "nothing is recorded, and the order of the names is not that of the numbers",
    "late": "a pending file sorts before one that was applied",
    "changed": "a file was changed after it was applied",
    "file-missing": "the file of an applied migration is gone from the middle of the folder",
    "newer": "a migration was applied that comes after the last file of this folder",
    "partly-replaced": "a part of what a squash replaces is applied, and a file of the rest gone",
    "unreadable-file": "a pending file cannot be run as it stands",
    "no-checksum": "drift = refuse is set, and an applied row has no checksum to compare with",
    # what can be recorded
    "no-schema": "the schema that version_table_schema names is not there",
    "rights": "this role may not write one of the two tables, or make them",
    "read-only": "this connection may only read",
    "required-column": "the ledger wants a value that bridge does not know",
    "refused-row": "a constraint of the ledger refuses the row that would be written",
    "no-delete": "a table is published without a replica identity: its rows cannot be deleted",
    "trigger": "a trigger or a rule of the table sees, and may change, what is recorded",
    "lacks-columns": "the ledger lacks columns of bridge's, and this role may not add them",
    "breaking-unrecorded": "a pending file says breaking = True, which this ledger cannot record",
    "drift-unrecorded": "drift = refuse is set, and this ledger cannot record checksums",
}


class Severity(StrEnum):
    """What follows from a finding."""

    #: An upgrade is refused.
    ERROR = "error"
    #: A person should know; the run goes on.
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found before anything ran."""

    #: One of MEANINGS.
    id: str
    severity: Severity
    #: What is wrong.
    message: str
    #: What to do, with what to type; empty where nothing is to be done.
    next: str = ""
    #: The migration, by the name that is recorded or that of its file; None where it is not one.
    migration: str | None = None
    #: The path of the file to look at.
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.next}" if self.next else self.message

    def to_json(self) -> dict[str, Any]:
        """The documented form; its keys stay as they are."""
        return {
            "id": self.id,
            "severity": str(self.severity),
            "migration": self.migration,
            "file": self.file,
            "message": self.message,
            "next": self.next,
        }


def refusal(id_: str, message: str, next_: str = "", **about: str | None) -> Finding:
    """A finding for which nothing may run; `about` are its `migration` and `file`."""
    return Finding(id=id_, severity=Severity.ERROR, message=message, next=next_, **about)


def warning(id_: str, message: str, next_: str = "", **about: str | None) -> Finding:
    """A finding that a person should know, although the run goes on; `about` as above."""
    return Finding(id=id_, severity=Severity.WARNING, message=message, next=next_, **about)
