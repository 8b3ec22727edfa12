"""Find invalid indexes: CREATE INDEX CONCURRENTLY did not finish them, and nothing uses them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, text

from bridge.errors import MigrationError


def refuse_invalid_indexes(
    connection: Connection, statements: Sequence[str], *, anywhere: bool = False
) -> None:
    """Raise MigrationError if an index that these statements speak of is INVALID."""
    if not statements:
        return
    sentence = invalid_indexes(connection, statements, anywhere=anywhere)
    if sentence:
        raise MigrationError(sentence)


def invalid_indexes(
    connection: Connection, statements: Sequence[str], *, anywhere: bool = False
) -> str | None:
    """Say which indexes of these statements are INVALID, and what to type; None if none is.

    Others are left alone: another session may be building its own, and another schema than those
    of the search_path may have left one of the same name, as another tenant does. It counts if the
    statements name that schema, or nobody knows which they meant: `anywhere`.
    """
    words = {
        word
        for statement in statements
        for quoted, plain in _WORD.findall(statement)
        for word in (quoted or plain, plain.lower())
        if word
    }
    asked = {"words": [*words], "anywhere": anywhere}
    found = connection.execute(text(_INVALID_INDEXES), asked).all()
    ours = [row for row in found if any(_speaks_of(sent, row) for sent in statements)]
    if not ours:
        return None
    names = ", ".join(row.identity for row in ours)
    drops = " ".join(f"DROP INDEX CONCURRENTLY {row.identity};" for row in ours)
    if len(ours) == 1:
        facts = f"The index {names} is INVALID: it was not finished, it is never used"
        done = "it for done"
    else:
        facts = f"The indexes {names} are INVALID: they were not finished, they are never used"
        done = "them for done"
    return f"{facts}, and IF NOT EXISTS takes {done}. Type: {drops} and then run again."


def _speaks_of(statement: str, row: object) -> bool:
    # REINDEX CONCURRENTLY builds beside the old one, under a name with a suffix.
    name = re.sub(r"_cc(new|old)\d*$", "", getattr(row, "name", ""))
    if _has_word(statement, name):
        return True
    # Without a name in the statement the server has chosen one; REINDEX names a table.
    unnamed = _NAMELESS.search(statement) is not None
    return unnamed and _has_word(statement, getattr(row, "table", ""))


def _has_word(statement: str, word: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(word)}(?![\w$])", statement) is not None


_NAMELESS = re.compile(r"INDEX\s+CONCURRENTLY\s+ON\b|REINDEX\b.*\bTABLE\b", re.IGNORECASE)

_WORD = re.compile(r'"([^"]+)"|([\w$]+)')

# What a session is building now is not finished yet, which is something else. Only the indexes of
# tables that are named, or have an index that is: with a schema for each tenant all others are
# millions, and a run for one of them must not go through all.
_INVALID_INDEXES = """
WITH schemas AS MATERIALIZED (
    SELECT oid FROM pg_namespace
     WHERE CAST(:anywhere AS boolean) OR nspname = ANY (current_schemas(false))
        OR nspname = ANY (CAST(:words AS text[]))
), named AS MATERIALIZED (
    SELECT pg_class.oid FROM pg_class JOIN schemas ON relnamespace = schemas.oid
     WHERE relname = ANY (CAST(:words AS text[]))
), tables AS MATERIALIZED (
    SELECT oid FROM named UNION
    SELECT indrelid FROM pg_index WHERE indexrelid = ANY (ARRAY(SELECT oid FROM named))
)
SELECT i.relname AS name, t.relname AS table, indexrelid::regclass::text AS identity
  FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid JOIN pg_class AS t ON t.oid = indrelid
 WHERE indrelid = ANY (ARRAY(SELECT oid FROM tables))
   AND NOT indisvalid AND i.relkind = 'i'
   AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index
                           WHERE index_relid IS NOT NULL)
 ORDER BY 3
"""
