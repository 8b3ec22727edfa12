"""The answer to most starts, "nothing is pending", for the price of one query.

It imports no Alembic, takes no lock and, unless changed files are to be refused, opens no
migration. It never says that something is pending: whatever is not plainly up to date is left to
the whole procedure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.folder import scan
from bridge.layout import ADDED_COLUMNS, quoted
from bridge.ledger import Ledger
from bridge.plainfile import PlainFile, revision_id


def is_up_to_date(
    connection: Connection, ledger: Ledger, folder: str, *, unchanged: bool = False
) -> bool:
    """Whether this folder's files, and nothing else, are applied and the pointer agrees.

    With `unchanged` it opens the files after all, and also wants each to have the checksum that
    is recorded. Reads only. False also where a table is missing or is not of bridge's own making.
    Raises FilesError for a folder, or then a file, that cannot be read.
    """
    files = scan(folder).files
    if not files:
        return False
    try:
        key = quoted(ledger.key or "version")
        checksums = _CHECKSUMS.format(key) if unchanged else "NULL"
        query = _QUERY.format(
            ledger.quoted, ledger.quoted_version_table, key, checksums, ", ".join(ADDED_COLUMNS)
        )
        row = connection.execute(text(query))
        versions, pointers, undated, applied, _ = row.one()
        connection.rollback()
    except DBAPIError:
        with suppress(DBAPIError):  # of a connection that was cut
            connection.rollback()
        return False
    return (
        not undated
        and versions is not None
        and sorted(versions) == [file.stem for file in files]
        and pointers == [revision_id(versions[-1])]
        and (not unchanged or _are_unchanged(files, dict(zip(versions, applied, strict=True))))
    )


def _are_unchanged(files: Sequence[PlainFile], applied: Mapping[str, str | None]) -> bool:
    """Whether each file is what was applied; an adopted row without a checksum tells nothing."""
    recorded = [(file, applied[file.stem]) for file in files]
    return all(checksum is None or file.checksum() == checksum for file, checksum in recorded)


# An error where one of bridge's columns is lacking: that table has still to be adopted.
_QUERY = """
SELECT array_agg({2}::text ORDER BY applied_at, {2}::text COLLATE "C"),
       (SELECT array_agg(version_num::text) FROM {1}),
       bool_or(applied_at IS NULL),
       {3},
       count(({4}))
  FROM {0}
"""

_CHECKSUMS = """array_agg(checksum ORDER BY applied_at, {0}::text COLLATE "C")"""
