"""Find what this role may not write of the two tables. Data in, data out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from bridge.database.quoting import quote
from bridge.findings import Finding, refusal
from bridge.ledger.access import granting
from bridge.ledger.history import Entry
from bridge.ledger.messages.tables import hidden_rows
from bridge.ledger.messages.wording import joined, stems_of
from bridge.ledger.state import State
from bridge.reporting.events import Direction
from bridge.reporting.numbers import listed

#: What recording takes, on the ledger and on the version table. Alembic moves its pointer with an
#: UPDATE, but an INSERT from base, and a DELETE to it.
NEEDED: Final = {
    Direction.UPGRADE: ({"INSERT"}, {"INSERT", "UPDATE"}),
    Direction.DOWNGRADE: ({"DELETE"}, {"UPDATE", "DELETE"}),
}


#: How many migrations a message names; the rest are counted.
_NAMED = 3


def rights(state: State, ledger: set[str], version_table: set[str]) -> Iterator[Finding]:
    """Which of the two tables this role may not write as it has to, or not in every row."""
    tables = (
        (state.ledger, state.table, ledger),
        (state.version_table, state.pointer_table, version_table),
    )
    lacking = [
        f"{joined(sorted(needed - table.rights))} on {name}"
        for name, table, needed in tables
        if table is not None and needed - table.rights
    ]
    if lacking:
        there = [name for name, table, _ in tables if table is not None]
        yield refusal(
            "rights",
            "This role may not write what a run records: it has no right to "
            f"{', and none to '.join(lacking)}.",
            granting(state.session.role, there),
        )
    for name, table, needed in tables:
        if table is not None and table.hides(*needed):
            yield hidden_rows(state, name, sorted(needed - table.covered))
    for name, table, needed in tables:
        if table is not None and needed & table.published:
            yield _published(name, needed & table.published)


def missing_tables(state: State) -> Iterator[Finding]:
    """A table that is not there, and that this role may not make."""
    missing = [
        name
        for name, table in (
            (state.ledger, state.table),
            (state.version_table, state.pointer_table),
        )
        if table is None
    ]
    if missing and not state.session.may_create and (state.schema or state.session.here):
        schema = state.schema or state.session.here or ""
        if state.schema and not state.session.has_schema:
            yield refusal(
                "no-schema",
                f"There is no schema {schema}, which version_table_schema names, so the tables "
                f"{joined(missing)} have no place.",
                f"Type this once: CREATE SCHEMA {quote(schema)}; or correct version_table_schema "
                "in alembic.ini.",
            )
            return
        yield refusal(
            "rights",
            f"The {'table' if len(missing) == 1 else 'tables'} {joined(missing)} cannot be "
            f"created by this role: it may not create tables in the schema {schema}.",
            "Type this once as the schema's owner: GRANT USAGE, CREATE ON SCHEMA "
            f"{quote(schema)} TO {state.session.role}; or set MIGRATION_DATABASE_URL to "
            "a role that has them.",
        )


def _published(name: str, acts: Collection[str]) -> Finding:
    """A table in which nobody may do this, because those who follow could not be told of it."""
    return refusal(
        "no-delete",
        f"{name} is part of a publication and has no replica identity, so PostgreSQL refuses to "
        f"{joined(sorted(act.lower() for act in acts))} its rows.",
        f"Type this once as the table's owner: ALTER TABLE {name} REPLICA IDENTITY FULL; or give "
        "the table a primary key.",
    )


def read_only(state: State, task: str) -> Finding:
    """Why nothing can be written here; `task` is what was to be, after a comma."""
    what = (
        "This server is a standby (a replica), which takes no changes"
        if state.session.standby
        else "This connection may only read (default_transaction_read_only is on, for the "
        "role, the database or the server; some hosts set it when a disk is full)"
    )
    return refusal(
        "read-only",
        f"{what}, {task}.",
        "It needs the primary, and a role that may write "
        "there: set MIGRATION_DATABASE_URL to its address. If the primary changes between "
        "servers, name them all, and add target_session_attrs: "
        "postgresql://role@host1,host2/database?target_session_attrs=read-write",
    )


def something_to_run(entries: Sequence[Entry]) -> str:
    """Name the task for which a connection that only reads is not enough."""
    return f"and there is something to run: {listed(stems_of(entries), _NAMED)}"
