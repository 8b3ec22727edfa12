"""The answer to most starts, "nothing is pending", for the price of one query.

It imports no Alembic, takes no lock and opens no migration. It never says that something is
pending: whatever is not plainly up to date is left to the whole procedure.
"""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.folder import scan
from bridge.layout import quoted
from bridge.ledger import Ledger
from bridge.plainfile import revision_id


def is_up_to_date(connection: Connection, ledger: Ledger, folder: str) -> bool:
    """Whether this folder's files, and nothing else, are applied and the pointer agrees.

    Reads only. False also where a table is missing or is not of bridge's own making. Raises
    FilesError for a folder that cannot be read.
    """
    files = scan(folder).files
    if not files:
        return False
    try:
        key = quoted(ledger.key or "version")
        query = _QUERY.format(ledger.quoted, ledger.quoted_version_table, key)
        row = connection.execute(text(query))
        versions, pointers, undated = row.one()
    except DBAPIError:
        return False
    finally:
        connection.rollback()
    return (
        not undated
        and versions is not None
        and sorted(versions) == [file.stem for file in files]
        and pointers == [revision_id(versions[-1])]
    )


_QUERY = """
SELECT array_agg({2}::text ORDER BY applied_at, {2}::text COLLATE "C"),
       (SELECT array_agg(version_num::text) FROM {1}),
       bool_or(applied_at IS NULL)
  FROM {0}
"""
