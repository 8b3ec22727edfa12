"""Make an empty database from the schema file: `eai migrate load`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from bridge.alembic.commands import in_place_of
from bridge.alembic.invocation import Invocation
from bridge.database.driver_errors import first_line
from bridge.database.quoting import constant
from bridge.database.sending import send
from bridge.errors import FilesError, LedgerError, UsageError
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.read import read_state
from bridge.locking.exclusive import exclusively
from bridge.operations.schema.file import Found, read
from bridge.reporting import events
from bridge.reporting.numbers import listed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.alembic.run import CommandRun
    from bridge.database.request import Request

#: How many of the objects of a database that is not empty are named.
_SHOWN: Final = 5
#: Everything that somebody has made. Schemas without anything in them do not count, nor does what
#: an extension brings, nor the type of a table.
_OBJECTS: Final = r"""
WITH own AS (
  SELECT 'pg_class'::regclass AS catalog, c.oid, c.relnamespace AS schema, c.relname::text AS name,
         CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
              WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END AS kind
    FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
  UNION ALL
  SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, p.proname::text, 'function' FROM pg_proc AS p
  UNION ALL
  SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typname::text, 'type' FROM pg_type AS t
   WHERE t.typtype IN ('d', 'e', 'r'))
SELECT own.kind, n.nspname || '.' || own.name FROM own JOIN pg_namespace AS n ON n.oid = own.schema
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = own.catalog AND d.objid = own.oid
                      AND d.deptype = 'e')
 ORDER BY own.kind = 'sequence', own.kind, 2"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A database that was made from the schema file."""

    path: str
    #: The stems that are recorded as applied, in that order.
    applied: tuple[str, ...]
    #: The stems of files that the schema file does not have yet.
    pending: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the documented form; its keys stay as they are."""
        return {"path": self.path, "applied": [*self.applied], "pending": [*self.pending]}


def run_load(request: Request, *, without_rows: bool = False, dry_run: bool = False) -> Loaded:
    """Make everything of the schema file in the database of the request, in one transaction.

    With `without_rows` also where files put rows into tables, which it does not hold; with
    `dry_run` everything is rolled back at the end. Raises
    UsageError if there is no such file, FilesError if it cannot be loaded, LedgerError if the
    database is not empty or the record does not fit the folder, LockNotObtained if others migrate.
    Nothing was changed then.
    """
    settings = request.settings()
    if settings.schema_file is None:
        raise no_schema_file("There is nothing to load")
    found = read(settings.schema_file)
    if found is None:
        raise UsageError(
            f"There is no {settings.schema_file}. Nothing was loaded. Write it: eai migrate dump"
        )
    sql = found.for_one_transaction()
    if found.without_rows_of and not without_rows:
        raise FilesError(
            f"{found.path} has no rows, and the migrations have put some into "
            f"{found.without_rows_of}: a database that is loaded would record them as applied "
            "without what they did. Nothing was loaded. Run the files: eai migrate. Or, where "
            "nobody needs those rows: eai migrate load --without-rows"
        )
    return in_place_of(
        Invocation(request=request), lambda run: _load(run, found, sql, stays=not dry_run)
    )


def no_schema_file(what: str) -> UsageError:
    """Return the error of a command that needs the setting; `what` does not go without it."""
    return UsageError(
        f"{what}: no schema file is configured. Set schema_file = schema.sql in alembic.ini; a "
        "relative path begins beside it."
    )


def _load(run: CommandRun, found: Found, sql: str, *, stays: bool) -> Loaded:
    connection = run.connection
    with exclusively(
        connection,
        wait=run.settings.wait_for_lock,
        reporter=run.reporter,
        in_transaction=run.external,
        pooler=run.settings.pooler,
        target=run.settings.target,
        lent=run.lent,
    ):
        _refuse_filled(connection)
        path = send(connection, "SELECT current_setting('search_path')").scalar()
        run.reporter.tell(events.Working(f"loading {found.path}"))
        try:
            send(connection, sql)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise FilesError(
                f"{found.path} cannot be loaded: {first_line(error).rstrip('.')}. Everything was "
                "rolled back, and the database is as empty as before. If the file is not what the "
                "migrations make, write it anew: eai migrate dump"
            ) from error
        send(connection, f"SELECT set_config('search_path', {constant(str(path))}, true)")
        loaded = _recorded(run, found)
        if not stays:
            connection.rollback()
        elif not run.external:
            connection.commit()
    return loaded


def _refuse_filled(connection: Connection) -> None:
    objects = send(connection, _OBJECTS).all()
    if objects:
        shown = listed([f"{kind} {name}" for kind, name in objects], _SHOWN)
        raise LedgerError(
            f"This database is not empty: it has {shown}. Only an empty one is made from "
            "the schema file. Nothing was changed. To apply what is pending here: eai migrate"
        )


def _recorded(run: CommandRun, found: Found) -> Loaded:
    """Read what is recorded now; raises if it is not what this folder can go on with."""
    state = read_state(run.connection, run.ledger, run.script.files)
    if not state.rows:
        raise LedgerError(
            f"{found.path} was loaded, but {run.ledger.name} has no row in the schema in which "
            f"this session looks ({state.session.here}). Everything was rolled back. Correct the "
            "search_path or version_table_schema, or write the file anew: eai migrate dump"
        )
    result = preflight(Command.UPGRADE, run.script.files, state, run.settings, looking=True)
    if result.refusals:
        raise LedgerError(
            f"{found.path} does not fit the folder: {result.refusals[0]} Everything was rolled "
            "back. Write it anew: eai migrate dump"
        )
    for each in result.warnings:
        run.reporter.tell(events.Warned(str(each), id=each.id))
    history = result.history
    return Loaded(
        found.path,
        tuple(entry.stem for entry in history.applied),
        tuple(entry.stem for entry in history.pending),
    )
