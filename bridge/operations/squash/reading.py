"""Read all that a scratch database holds; and what of it no new file can make again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import psycopg2
from sqlalchemy.exc import DBAPIError

from bridge.database.connected import connected
from bridge.database.database import Database
from bridge.database.driver_errors import first_line
from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.errors import FilesError, UsageError
from bridge.files.folder import scan
from bridge.operations.read_only import looking
from bridge.operations.schema.pg_dump import dump_schema
from bridge.operations.schema.reading import read_contents
from bridge.operations.squash.contents import (
    Column,
    Contents,
    Name,
    SequenceState,
    Table,
    quoted,
)
from bridge.operations.squash.layout import filled, refresh
from bridge.operations.squash.rows import parse_copy
from bridge.reporting import events
from bridge.reporting.numbers import listed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.config.settings import Settings
    from bridge.database.request import Request

#: In which form values are read: as pg_dump reads them, the same for each server and role.
_FORMS: Final = (
    "SET LOCAL search_path = ''",
    "SET LOCAL datestyle = 'ISO, MDY'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL xmloption = content",
    # A policy is to be an error here, and to hide no row.
    "SET LOCAL row_security = off",
)
#: Schemas of the server's own, and those of sessions.
_OURS: Final = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_EXTENSION: Final = """EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = {oid}
    AND d.classid = 'pg_catalog.{catalog}'::regclass AND d.deptype = 'e')"""
_TABLES: Final = f"""
SELECT n.nspname::text, c.relname::text, c.relkind = 'm', t.typname::text, a.attname::text,
       a.attidentity <> '', a.attgenerated <> '',
       {_OF_EXTENSION.format(oid="c.oid", catalog="pg_class")},
       ARRAY(SELECT k.attname::text FROM pg_catalog.pg_index AS i, unnest(i.indkey) WITH ORDINALITY
                    AS p (number, place) JOIN pg_catalog.pg_attribute AS k
                    ON k.attnum = p.number WHERE k.attrelid = c.oid AND i.indrelid = c.oid
                AND i.indisprimary ORDER BY p.place)
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute AS a
         ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
 WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND {_OURS}
 ORDER BY n.nspname, c.relname, a.attnum"""  # noqa: S608
_SEQUENCES: Final = f"""
SELECT n.nspname::text, c.relname::text, s.seqstart
  FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE {_OURS} AND NOT {_OF_EXTENSION.format(oid="c.oid", catalog="pg_class")}
 ORDER BY 1, 2"""  # noqa: S608
_EXTENSIONS: Final = "SELECT extname::text, extversion::text FROM pg_catalog.pg_extension"

#: What pg_dump leaves out of a schema, and what belongs to another role than the one that runs.
_LOST: Final = rf"""
WITH here AS (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
owned AS (
  SELECT 'pg_class'::regclass AS catalog, c.oid, c.relnamespace AS schema, c.relowner AS owner
    FROM pg_catalog.pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'c')
  UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, p.proowner FROM pg_proc AS p
  UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typowner FROM pg_type AS t
   WHERE t.typtype IN ('d', 'e', 'r')
  UNION ALL SELECT 'pg_namespace'::regclass, n.oid, n.oid, n.nspowner FROM pg_namespace AS n
   WHERE n.nspname <> 'public')
SELECT 'large object ' || oid FROM pg_catalog.pg_largeobject_metadata
UNION ALL SELECT 'foreign table ' || oid::regclass FROM pg_catalog.pg_class WHERE relkind = 'f'
UNION ALL SELECT 'user mapping on ' || srvname FROM pg_catalog.pg_user_mappings
UNION ALL SELECT 'subscription ' || subname FROM pg_catalog.pg_subscription, here
 WHERE subdbid = here.oid
UNION ALL SELECT 'security label on ' || o.type || ' ' || o.identity
  FROM pg_catalog.pg_seclabel AS s, pg_identify_object(s.classoid, s.objoid, s.objsubid) AS o
UNION ALL SELECT 'setting of the database ' || split_part(each, '=', 1)
  FROM pg_catalog.pg_db_role_setting AS s, here, unnest(s.setconfig) AS each
 WHERE s.setdatabase = here.oid
UNION ALL SELECT o.type || ' ' || o.identity || ' of the role ' || pg_get_userbyid(owned.owner)
  FROM owned JOIN pg_catalog.pg_namespace AS n ON n.oid = owned.schema,
       pg_identify_object(owned.catalog, owned.oid, 0) AS o
 WHERE pg_get_userbyid(owned.owner) <> current_user AND {_OURS} AND NOT EXISTS (
   SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = owned.catalog AND d.objid = owned.oid AND d.deptype = 'e')"""  # noqa: S608
#: How many of these are named.
_NAMED: Final = 5


def read_all(request: Request, settings: Settings) -> Contents:
    """Read what the database of a request holds, but for the ledger's two tables.

    Raises UsageError if a row cannot be read, FilesError if something in it could not be made
    again, and what pg_dump raises.
    """
    request.reporter.tell(events.Working("reading what a scratch database holds"))
    assert isinstance(request.database, Database)  # noqa: S101 - a scratch database has a name
    files = scan(settings.folder, settings.conventions).files
    recorded = read_contents(request, settings, files)
    without = recorded.bookkeeping
    entries = dump_schema(
        request.database, recorded.server, without_tables=without, wait=settings.wait_for_lock
    )
    with looking(request, settings) as connection:
        _refuse_lost(connection)
        tables = _rows(connection, without)
        sequences = _sequences(connection, without)
        extensions = dict(map(tuple, send(connection, _EXTENSIONS)))
    stale: frozenset[Name] = frozenset()
    if views := filled(entries, recorded.populated):
        # What the new file fills at its end is what their queries give then.
        _fill(request, settings, views)
        with looking(request, settings) as connection:
            fresh = _rows(connection, without)
        stale = frozenset(
            one.key
            for one, other in zip(tables, fresh, strict=True)
            if one.is_view and Counter(one.rows) != Counter(other.rows)
        )
        tables = fresh
    return Contents(
        major=recorded.server.major,
        entries=entries,
        tables=tables,
        sequences=sequences,
        extensions=extensions,
        populated=recorded.populated,
        stale=stale,
        here=next(iter(recorded.schemas), "public"),
    )


def _refuse_lost(connection: Connection) -> None:
    lost = sorted(send(connection, _LOST).scalars().all())
    if lost:
        raise FilesError(
            f"The files make what a file of SQL could not make again: {listed(lost, _NAMED)}. "
            "Nothing was written. Squash up to the file before the one that makes it."
        )


def _fill(request: Request, settings: Settings, views: Sequence[Name]) -> None:
    with connected(request, settings) as connection:
        try:
            for name in views:
                send(connection, refresh(quoted(name)))
            connection.commit()
        except DBAPIError as error:
            raise FilesError(
                f"The materialized view {quoted(name)} cannot be filled again on the rows that the "
                f"files leave: {first_line(error).rstrip('.')}. Nothing was written. Squash up to "
                "an earlier file, or write a migration that drops or corrects the view."
            ) from error


def _rows(connection: Connection, without: Sequence[str]) -> tuple[Table, ...]:
    send(connection, *_FORMS)
    try:
        return tuple(_tables(connection, without))
    except psycopg2.Error as error:
        raise UsageError(
            f"The rows of a scratch database could not be read: {str(error).splitlines()[0]}. "
            "Nothing was written."
        ) from error


def _tables(connection: Connection, without: Sequence[str]) -> Iterator[Table]:
    found: list[Any] = send(connection, _TABLES).all()
    for (schema, name), lines in groupby(found, key=lambda row: (row[0], row[1])):
        if name in without:
            continue
        rows = list(lines)
        first = rows[0]
        columns = tuple(
            Column(column, kind, identity, generated)
            for _, _, _, kind, column, identity, generated, *_ in rows
            if column is not None
        )
        yield Table(
            schema,
            name,
            columns,
            parse_copy(_copied(connection, (schema, name), columns, first[8]), len(columns)),
            of_extension=first[7],
            is_view=first[2],
        )


def _copied(
    connection: Connection, name: Name, columns: Sequence[Column], key: Sequence[str]
) -> str:
    """Ask for the rows of a table as COPY writes them: by its key, else as they lie there."""
    listed_columns = ", ".join(quote(each.name) for each in columns)
    order = ", ".join(map(quote, key)) or "ctid"
    out = StringIO()
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        cursor.copy_expert(
            f"COPY (SELECT {listed_columns} FROM ONLY {quoted(name)} ORDER BY {order}) TO STDOUT",  # noqa: S608
            out,
        )
    return out.getvalue()


def _sequences(connection: Connection, without: Sequence[str]) -> Mapping[Name, SequenceState]:
    found: list[Any] = send(connection, _SEQUENCES).all()
    states: dict[Name, SequenceState] = {}
    for schema, name, start in found:
        if name not in without:
            question = f"SELECT last_value, is_called FROM {quoted((schema, name))}"  # noqa: S608
            last, called = send(connection, question).one()
            states[schema, name] = SequenceState(last, called, start)
    return states
