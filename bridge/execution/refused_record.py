"""The advice for a migration that ran to its end, and whose record the database refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bridge.database.quoting import quote
from bridge.database.sqlstate import sqlstate
from bridge.execution.causes import Blame, advice_on_server, blame
from bridge.reporting.events import Direction


@dataclass(frozen=True, slots=True)
class Tables:
    """The two bookkeeping tables, and who writes them."""

    ledger: str
    version_table: str
    #: The role that a run has at its start.
    role: str


def advice_on_record(error: BaseException, tables: Tables) -> str:
    """Return what helps against this error of a record, in a sentence or a few."""
    diag: Any = getattr(getattr(error, "orig", None) or error, "diag", None)
    table = getattr(diag, "table_name", None) or tables.ledger
    state, text = sqlstate(error) or "", str(getattr(error, "orig", None) or error)
    if state == "42501":
        return _about_right(text, tables)
    if sentence := _ABOUT.get(state):
        return sentence.format(
            table=table,
            column=getattr(diag, "column_name", None) or "of it",
            constraint=getattr(diag, "constraint_name", None) or "of it",
            ledger=tables.ledger,
            version_table=tables.version_table,
        )
    if blame(error, Direction.UPGRADE) in {Blame.NOBODY, Blame.ELSEWHERE}:
        return advice_on_server(error) or ""
    return (
        f"Something in the database refuses what bridge writes: see {tables.ledger} and "
        f"{tables.version_table}, with their triggers, rules and constraints."
    )


def _about_right(text: str, tables: Tables) -> str:
    both = f"{tables.ledger}, {tables.version_table}"
    if "row-level security" in text:
        return (
            f"A policy of row level security keeps the role {tables.role} from it. Let the tables' "
            "owner add a policy that lets this role read, add, change and delete all rows of "
            f"{both}."
        )
    return (
        f"The role {tables.role} lacks a right on them. Type as their owner: GRANT SELECT, INSERT, "
        f"UPDATE, DELETE ON {both} TO {quote(tables.role)}; or set MIGRATION_DATABASE_URL to the "
        "address of a role that has it."
    )


_ABOUT: Final = {
    "23502": "{table} has a column {column} that must have a value, and bridge has none for it. "
    "Type as the table's owner: ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL; or give "
    "it a DEFAULT.",
    "23514": "The constraint {constraint} of {table} forbids it. Let the constraint allow it, or "
    "type as the table's owner: ALTER TABLE {table} DROP CONSTRAINT {constraint};",
    "23505": "The constraint {constraint} of {table} allows each value only once, and more than "
    "one migration has this value. Type as the table's owner: ALTER TABLE {table} DROP CONSTRAINT "
    "{constraint};",
    "23503": "The foreign key {constraint} of {table} forbids it. Type as the table's owner: "
    "ALTER TABLE {table} DROP CONSTRAINT {constraint};",
    "22001": "A column of {table} is too narrow for it. Widen it, as the table's owner: ALTER "
    "TABLE {table} ALTER COLUMN ... TYPE text;",
    "P0001": "A trigger on {ledger} or {version_table} refuses it: CONTEXT above names its "
    "function. Let that function accept it, or drop the trigger.",
    "42P01": "{ledger} or {version_table} is not there any more: it was dropped or renamed while "
    "the migration ran. A migration must leave both alone.",
}
