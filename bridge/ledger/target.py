"""Refuse a target whose schema is not where its files would make their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.database.quoting import quote
from bridge.errors import SchemaMissing, UsageError
from bridge.ledger.state import Session
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from bridge.config.target import Target


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
        "schema is made for a name that may be a slip. If it is none, type this once: CREATE "
        f"SCHEMA {quote(schema)};"
    )
