"""A ledger under another name: where nothing is recorded, another table may hold it.

Most home-made runners name their table differently, and a run that does not find it would run
everything a second time. So where the ledger is absent or empty, small tables are looked through
for the name of the first file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.layout import quoted
from bridge.names import Names, number_of

if TYPE_CHECKING:
    from bridge.ledger import Ledger

#: How far is looked: tables, columns and bytes of one, rows of one.
_TABLES, _COLUMNS, _BYTES, _ROWS = 50, 8, 1 << 22, 500
#: Names of tables in which a bare number may be the number of a migration.
_TELLING: Final = re.compile("migrat|schema|version|patch|changelog|upgrade|history", re.IGNORECASE)

_CANDIDATES: Final = """
SELECT nspname AS schema, relname AS name,
       array_agg(attname::text ORDER BY attnum) AS columns
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
 WHERE nspname = ANY(CASE WHEN CAST(:schema AS text) IS NULL THEN current_schemas(false)
                          ELSE ARRAY[CAST(:schema AS name)] END)
   AND relkind = 'r' AND relname <> ALL(:known) AND relnatts <= :columns
   AND pg_relation_size(pg_class.oid) BETWEEN 1 AND :bytes
   AND has_table_privilege(pg_class.oid, 'SELECT')
   AND atttypid IN ('text'::regtype, 'varchar'::regtype, 'name'::regtype, 'bpchar'::regtype)
 GROUP BY nspname, relname
 ORDER BY relname !~* 'migrat|schema|version', relname
 LIMIT :tables
"""


def find_other_table(connection: Connection, ledger: Ledger, first: str) -> str | None:
    """The name of a table that holds a spelling of this file's name; None if none does.

    Nothing stays locked, and a table that somebody else has locked is not waited for.
    """
    if number_of(first) is None:
        return None
    try:
        with undone(connection):
            return _found(connection, ledger, first)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None  # a table that may not be read, or is locked, is not one to be sure of


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """A look that may fail: what it locks and sets is let go of, and the transaction goes on."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        if not connection.invalidated:  # with a connection that is gone all of it is
            savepoint.rollback()


def _found(connection: Connection, ledger: Ledger, first: str) -> str | None:
    connection.execute(text("SELECT set_config('lock_timeout', '500ms', true)"))
    given = {
        "schema": ledger.schema,
        "known": [ledger.table, ledger.version_table],
        "columns": _COLUMNS,
        "bytes": _BYTES,
        "tables": _TABLES,
    }
    names = Names.of([first])
    tables = connection.execute(text(_CANDIDATES), given).all()
    parts = [
        f"(SELECT {place}, {quoted(column)}::text AS value FROM "  # noqa: S608 - quoted
        f"{quoted(table.schema)}.{quoted(table.name)} "
        f"WHERE {quoted(column)}::text ~ '[0-9]' LIMIT {_ROWS})"
        for place, table in enumerate(tables)
        for column in table.columns
    ]
    if not parts:
        return None
    for place, value in connection.execute(text(" UNION ALL ".join(parts))):
        table = tables[place]
        if names.meant_by(value) and (_says_more(value) or _TELLING.search(table.name)):
            return str(table.name)
    return None


def _says_more(value: str) -> bool:
    """Whether it is more than a number, which may count anything."""
    return any(character.isalpha() for character in value.removesuffix(".py"))
