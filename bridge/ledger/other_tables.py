"""Look for a ledger under another name, where this one records nothing.

Most home-made runners name their table differently, and a run that does not find it would run
everything a second time. So where the ledger is absent or empty, small tables are looked through
for the name of the first file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.ledger.names import Names, number_of
from bridge.ledger.state import OtherTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.ledger.tables import Ledger

#: How far is looked: tables, columns and bytes of one, rows of one.
_TABLES, _COLUMNS, _BYTES, _ROWS = 50, 8, 1 << 22, 500
#: Names of tables in which a bare number may be the number of a migration.
_TELLING: Final = re.compile("migrat|schema|version|patch|changelog|upgrade|history", re.IGNORECASE)

#: The same for a column of numbers, of which applications have many.
_CERTAIN: Final = re.compile(
    "migrat|schema|(db|database)_?(version|patch|change|upgrade)", re.IGNORECASE
)

# A size that is known from the last ANALYZE; to ask for that of today takes a lock.
_CANDIDATES: Final = """
SELECT nspname AS schema, relname AS name, pg_class.oid::bigint AS oid,
       nspname = ANY(current_schemas(false)) AS here,
       array_agg(attname::text ORDER BY attnum) AS columns,
       array_agg(atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) ORDER BY attnum)
           AS numeric
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
   AND nspname = COALESCE(CAST(:schema AS name), nspname)
   AND has_schema_privilege(pg_namespace.oid, 'USAGE')
   AND relkind = 'r' AND relname <> ALL(:known) AND relnatts <= :columns
   AND relpages <= :pages
   AND has_table_privilege(pg_class.oid, 'SELECT')
   AND (atttypid IN ('text'::regtype, 'varchar'::regtype, 'name'::regtype, 'bpchar'::regtype)
        OR atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
           AND relname ~* 'migrat|schema|version|patch|change|upgrade')
 GROUP BY nspname, relname, pg_class.oid
 ORDER BY relname !~* 'migrat|schema|version', nspname <> ALL(current_schemas(false)), relname
 LIMIT :tables
"""


def find_other_table(connection: Connection, ledger: Ledger, first: str) -> OtherTable | None:
    """A table that holds a spelling of this file's name; None if none does.

    In any schema that this role may use, unless the settings name one.

    Nothing stays locked, and a table that somebody else has locked is not waited for.
    """
    if number_of(first) is None:
        return None
    try:
        with undone(connection):
            return _look(connection, ledger, Names.of([first]))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return None  # a table that may not be read, or is locked, is not one to be sure of


def _look(connection: Connection, ledger: Ledger, names: Names) -> OtherTable | None:
    connection.execute(text("SELECT set_config('lock_timeout', '200ms', true)"))
    given = {
        "schema": ledger.schema,
        "known": [ledger.table, ledger.version_table],
        "columns": _COLUMNS,
        "pages": _BYTES // 8192,
        "tables": _TABLES,
    }
    return _among(connection, connection.execute(text(_CANDIDATES), given).all(), names)


def _among(connection: Connection, tables: Sequence[Any], names: Names) -> OtherTable | None:
    """The first of these tables that holds such a name; asked one by one where that fails."""
    try:
        with undone(connection):
            return _found(connection, tables, names)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
    # One that may not be read, or is locked, hides none of the others.
    alone = ([table] for table in tables if len(tables) > 1)
    return next(filter(None, (_among(connection, one, names) for one in alone)), None)


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Undo a look that may fail: its locks and settings go, and the transaction goes on.

    In autocommit mode there is none, and nothing stays of a statement that failed.
    """
    driver: Any = connection.connection.dbapi_connection
    if driver.autocommit:
        yield
        return
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        if not connection.invalidated:  # with a connection that is gone all of it is
            savepoint.rollback()


def _found(connection: Connection, tables: Sequence[Any], names: Names) -> OtherTable | None:
    """The first of these tables that holds such a name."""
    parts = [
        f"(SELECT {place}, {str(numeric).lower()}, {quote(column)}::text AS value FROM "  # noqa: S608
        f"{quote(table.schema)}.{quote(table.name)} "
        f"WHERE (SELECT pg_relation_size(CAST({table.oid} AS regclass))) <= {_BYTES} "
        f"AND {quote(column)}::text ~ '[0-9]' LIMIT {_ROWS})"
        for place, table in enumerate(tables)
        for column, numeric in zip(table.columns, table.numeric, strict=True)
        if not numeric or _CERTAIN.search(table.name)
    ]
    if not parts:
        return None
    for place, numeric, value in send(connection, " UNION ALL ".join(parts)):
        table = tables[place]
        name = str(table.name)
        telling = (_CERTAIN if numeric else _TELLING).search(name) or _says_more(value)
        if telling and names.meant_by(value):
            return OtherTable(name, None if table.here else str(table.schema))
    return None


def _says_more(value: str) -> bool:
    """Return whether it is more than a number, which may count anything."""
    return any(character.isalpha() for character in value.removesuffix(".py"))
