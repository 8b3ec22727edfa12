"""What this connection may do to the two bookkeeping tables, asked before anything is run.

Otherwise a migration would do its work first, and then fail at its record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from bridge.errors import BridgeError, LedgerError, UsageError
from bridge.reporting import Direction

#: How many migrations a message names.
_NAMED = 3

#: What Alembic and bridge do to both tables for one migration.
_NEEDED = {
    Direction.UPGRADE: ({"INSERT"}, {"INSERT", "UPDATE"}),
    Direction.DOWNGRADE: ({"DELETE"}, {"UPDATE", "DELETE"}),
}

# A role may have rights to all columns one by one; to delete it needs the table's.
_QUERY = """
SELECT pg_is_in_recovery() AS standby,
       CAST(current_setting('transaction_read_only') AS boolean) AS read_only,
       {} AS ledger, {} AS version_table
"""
_MAY = """
CASE WHEN to_regclass(:{0}) IS NOT NULL THEN ARRAY(
    SELECT act FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS act
     WHERE has_table_privilege(to_regclass(:{0}), act)
        OR act <> 'DELETE' AND has_any_column_privilege(to_regclass(:{0}), act)) END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a connection may do; of a table that is not there, None."""

    names: tuple[str, str]
    #: Whether the server is one that only follows another.
    standby: bool
    #: Whether the connection's transactions may write nothing at all.
    read_only: bool
    ledger: frozenset[str] | None
    version_table: frozenset[str] | None

    @classmethod
    def of(cls, connection: Connection, *, ledger: str, version_table: str) -> Rights:
        """Ask about these two names, as SQL has them; one round trip that reads only."""
        query = _QUERY.format(_MAY.format("ledger"), _MAY.format("version_table"))
        names = {"ledger": ledger, "version_table": version_table}
        found = connection.execute(text(query), names).one()
        return cls(
            names=(ledger, version_table),
            standby=found.standby,
            read_only=found.read_only,
            ledger=None if found.ledger is None else frozenset(found.ledger),
            version_table=None if found.version_table is None else frozenset(found.version_table),
        )

    def refusal(self, direction: Direction, stems: Sequence[str]) -> BridgeError | None:
        """Why these migrations cannot be run and recorded, or None."""
        if self.read_only:
            return self.read_only_refusal(f"and there is something to run: {_named(stems)}")
        ledger, version_table = _NEEDED[direction]
        return self._lacking(ledger, version_table)

    def pointer_refusal(self) -> BridgeError | None:
        """Why the version table cannot be put right, or None."""
        return self._lacking(set(), {"INSERT", "DELETE"})

    def read_only_refusal(self, task: str) -> UsageError:
        """Why nothing can be written here; `task` is what was to be, after a comma."""
        what = (
            "This server is a standby (a replica), which takes no changes"
            if self.standby
            else "This connection may only read (default_transaction_read_only is on, for the "
            "role, the database or the server; some hosts set it when a disk is full)"
        )
        return UsageError(
            f"{what}, {task}. Nothing was run. It needs the primary, and a role that may write "
            "there: set MIGRATION_DATABASE_URL to its address. If the primary changes between "
            "servers, name them all, and add target_session_attrs: "
            "postgresql://role@host1,host2/database?target_session_attrs=read-write"
        )

    def _lacking(self, ledger: set[str], version_table: set[str]) -> LedgerError | None:
        tables = zip(
            self.names, (ledger, version_table), (self.ledger, self.version_table), strict=True
        )
        # A table that is not there will be the role's own.
        lacking = [
            f"{_listed(sorted(needed - held))} on {name}"
            for name, needed, held in tables
            if held is not None and needed - held
        ]
        if not lacking:
            return None
        return LedgerError(
            "This role may not write what a run records: it has no right to "  # noqa: S608
            f"{', and none to '.join(lacking)}. Nothing was run. Grant it SELECT, INSERT, UPDATE "
            f"and DELETE on {' and '.join(self.names)}, or set MIGRATION_DATABASE_URL to a role "
            "that has them."
        )


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _named(stems: Sequence[str]) -> str:
    more = len(stems) - _NAMED
    return ", ".join(stems[:_NAMED]) + (f" and {more} more" if more > 0 else "")
