"""Explain errors of the server that a GRANT or CREATE SCHEMA would cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError

from bridge.database.driver_errors import first_line
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError
from bridge.ledger.tables import Ledger

_ANOTHER_ROLE: Final = "or set MIGRATION_DATABASE_URL to a role that has them."
_REMEDIES: Final = {
    ("42501", "read"): "Grant it USAGE on the schema, and SELECT, INSERT, UPDATE and DELETE on "
    f"both, {_ANOTHER_ROLE}",
    ("42501", "created"): "Grant it USAGE and CREATE on the schema, " + _ANOTHER_ROLE,
    ("3F000", "created"): "Create the schema, or correct version_table_schema or the search_path.",
    ("25006", "created"): "Connect to a server, and as a role, that may write.",
}


def granting(role: str, tables: Sequence[str]) -> str:
    """Say what to type so that this role may write these tables; the names are quoted already."""
    return (
        "Type this once as their owner: GRANT SELECT, INSERT, UPDATE, DELETE ON "
        f"{', '.join(tables)} TO {role}; {_ANOTHER_ROLE}"
    )


@contextmanager
def reading(ledger: Ledger, remedy: str | None = None) -> Iterator[None]:
    """Inside this block, tables that may not be read are explained by a LedgerError.

    `remedy` says what to do about a right that lacks, where more is known of it.
    """
    with _explaining(ledger, "read", remedy):
        yield


@contextmanager
def creating(ledger: Ledger) -> Iterator[None]:
    """Inside this block, a table that cannot be created is explained by a LedgerError."""
    with _explaining(ledger, "created"):
        yield


@contextmanager
def _explaining(ledger: Ledger, done: str, known: str | None = None) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        state = sqlstate(error) or ""
        remedy = known if known and state == "42501" else _REMEDIES.get((state, done))
        if remedy is None:
            raise
        raise LedgerError(
            f"The tables {ledger.name} and {ledger.version_name} cannot be {done} "
            f"by this role: {first_line(error)}. Nothing was run. {remedy}"
        ) from error
