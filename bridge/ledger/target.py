"""The schema of a target: made for a new one, and refused where its tables would not be in it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from bridge.database.driver_errors import first_line
from bridge.database.literals import literal
from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError, SchemaMissing, UsageError
from bridge.ledger.state import Session
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.config.target import Target


#: The SQLSTATE of insufficient_privilege.
_NO_RIGHT = "42501"


def refuse_lost_target(ledger: Ledger, session: Session) -> None:
    """Refuse where the schema is not there, or is not the first of the search_path.

    PostgreSQL passes over a schema that is not there, so that everything would be made in the next
    one, which others share. Raises UsageError.
    """
    target, schema = ledger.target, ledger.schema
    if target is None or target.schema is None or schema is None or session.here == schema:
        return
    if not session.has_schema:
        raise no_schema(target, schema)
    here = "no schema" if session.here is None else quote(session.here)
    raise UsageError(
        f"The {target} has the schema {quote(schema)}, but this connection makes its tables in "
        f"{here}. Nothing was run. Something sets the search_path after bridge has set it, such as "
        "a listener of the Engine that was handed in: take that away, or hand in a URL."
    )


def no_schema(target: Target, schema: str) -> SchemaMissing:
    """Say that the schema of a target is not there; the caller raises it, or shows it."""
    return SchemaMissing(
        f"The {target} has no schema {quote(schema)} in this database. Nothing was run, and no "
        "schema is made for a name that may be a slip. If it is a new tenant, type: eai migrate "
        f"provision {shlex.quote(target.name)}"
    )


def make_schema(connection: Connection, target: Target) -> bool:
    """Make the schema of a new target, and say whether it was not there before.

    It is part of the transaction that the connection is in. Raises LedgerError where this role may
    not make one.
    """
    if target.schema is None:
        return False
    # Asked first: IF NOT EXISTS wants the right to make one even where there is one.
    question = f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(target.schema)}"  # noqa: S608
    if send(connection, question).one_or_none() is not None:
        return False
    try:
        send(connection, f"CREATE SCHEMA {quote(target.schema)}")
    except DBAPIError as error:
        if sqlstate(error) != _NO_RIGHT:
            raise
        raise LedgerError(
            f"The schema {quote(target.schema)} of the {target} cannot be made by this role: "
            f"{first_line(error).rstrip('.')}. Nothing was run. Set MIGRATION_DATABASE_URL to a "
            "role that may (GRANT CREATE ON DATABASE), or let one make the schema for this role: "
            f"CREATE SCHEMA {quote(target.schema)} AUTHORIZATION …; then type this command again."
        ) from error
    return True
