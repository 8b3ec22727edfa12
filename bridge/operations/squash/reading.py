"""Read all that a scratch database holds; and what of it no new file can make again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from bridge.database.connected import connected, database_of
from bridge.database.driver_errors import first_line
from bridge.database.sending import send
from bridge.errors import FilesError
from bridge.files.folder import scan
from bridge.operations.read_only import looking
from bridge.operations.schema.entries import filled, refresh
from bridge.operations.schema.pg_dump import dump_schema
from bridge.operations.schema.reading import read_contents
from bridge.operations.schema.rows import OURS, read_sequences, read_tables
from bridge.operations.schema.tables import Name, quoted
from bridge.operations.squash.contents import Contents
from bridge.reporting import events
from bridge.reporting.numbers import listed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.config.settings import Settings
    from bridge.database.request import Request

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
 WHERE pg_get_userbyid(owned.owner) <> current_user AND {OURS} AND NOT EXISTS (
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
    files = scan(settings.folder, settings.conventions).files
    recorded = read_contents(request, settings, files)
    without = recorded.bookkeeping
    entries = dump_schema(
        database_of(request), recorded.server, without_tables=without, wait=settings.wait_for_lock
    )
    with looking(request, settings) as connection:
        _refuse_lost(connection)
        tables = read_tables(connection, without)
        sequences = read_sequences(connection, without)
        extensions = dict(map(tuple, send(connection, _EXTENSIONS)))
    stale: frozenset[Name] = frozenset()
    if views := filled(entries, recorded.populated):
        # What the new file fills at its end is what their queries give then.
        _fill(request, settings, views)
        with looking(request, settings) as connection:
            fresh = read_tables(connection, without)
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
