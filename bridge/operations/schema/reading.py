"""Read from a database what pg_dump does not tell: what is recorded, and where there are rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.ledger import sql
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.read import read_state
from bridge.ledger.tables import Ledger
from bridge.operations.read_only import looking
from bridge.operations.schema.pg_dump import Server

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.config.settings import Settings
    from bridge.database.request import Request
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.history import Entry, History
    from bridge.ledger.state import State

#: What is no part of an extension, and of no schema that the server has for itself.
_OWN: Final = """
n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT EXISTS
(SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e'
    AND d.classid = 'pg_class'::regclass)"""
_TABLES: Final = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {_OWN} ORDER BY 1, 2"""  # noqa: S608
_POPULATED: Final = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm' AND c.relispopulated AND {_OWN}"""  # noqa: S608
_OWNED_SEQUENCES: Final = """
SELECT s.relname::text FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid
 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
   AND d.deptype IN ('a', 'i') AND s.relkind = 'S' AND d.refobjid = to_regclass({table})"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found in a database, at one moment."""

    server: Server
    history: History
    state: State
    ledger: Ledger
    #: Tables that have rows, but for the two of the ledger; None where nobody looked.
    filled: tuple[str, ...] | None
    #: Materialized views that have their rows, by schema and name.
    populated: frozenset[tuple[str, str]]
    #: The sequences of the two tables, by name.
    sequences: tuple[str, ...]
    #: The schemas that are on the search_path of a session, in that order.
    schemas: tuple[str, ...]

    @property
    def bookkeeping(self) -> tuple[str, ...]:
        """What belongs to the ledger and not to the application, by name."""
        return (self.ledger.table, self.ledger.version_table, *self.sequences)

    def record(self) -> tuple[str, ...]:
        """Return the statements that record in an empty ledger what is applied here, in order."""
        ledger = replace(self.ledger, schema=self.ledger.schema or self.state.session.here)
        inserts = [
            # How long it took differs each time, and of the time only the order counts.
            sql.insert_row(ledger, self.state.layout, replace(row, execution_ms=None))
            for entry in self.history.applied
            if entry.row is not None
            for row in (*self.state.replaced_rows(entry.stem, entry.replaces), entry.row)
        ]
        pointer = self.history.pointer
        if pointer is None or self.state.pointer_table is None:  # the next run makes it
            return tuple(inserts)
        return (*inserts, sql.insert_pointer(ledger, pointer))

    def same_record(self, other: Contents) -> bool:
        """Return whether both record the same migrations, in the same order."""
        return _stems(self.history.applied) == _stems(other.history.applied)


def _stems(entries: Sequence[Entry]) -> list[str]:
    return [entry.stem for entry in entries]


def read_contents(
    request: Request, settings: Settings, files: Sequence[PlainFile], *, rows: bool = False
) -> Contents:
    """Look at a database; with `rows` also whether its tables have any. Writes nothing.

    Raises LedgerError where the record cannot be believed.
    """
    ledger = Ledger.of(settings)
    with looking(request, settings) as connection:
        state = read_state(connection, ledger, files)
        found = preflight(Command.LOOK, files, state, settings, looking=True)
        found.refuse()
        schemas = send(connection, "SELECT current_schemas(false)::text[]").scalar()
        tables = (ledger.name, ledger.version_name)
        return Contents(
            server=Server.of(connection),
            history=found.history,
            state=state,
            ledger=ledger.keyed_by(state),
            filled=_filled(connection, ledger) if rows else None,
            populated=frozenset((row[0], row[1]) for row in send(connection, _POPULATED)),
            sequences=tuple(each for table in tables for each in _sequences(connection, table)),
            schemas=tuple(schemas),
        )


def _filled(connection: Connection, ledger: Ledger) -> tuple[str, ...]:
    own = {ledger.table, ledger.version_table}
    found: Any = send(connection, _TABLES).all()
    names = [f"{quote(schema)}.{quote(table)}" for schema, table in found if table not in own]
    return tuple(
        name
        for name in names
        if send(connection, f"SELECT EXISTS (SELECT FROM {name})").scalar()  # noqa: S608
    )


def _sequences(connection: Connection, table: str) -> list[str]:
    from bridge.database.quoting import constant

    return list(send(connection, _OWNED_SEQUENCES.format(table=constant(table))).scalars())
