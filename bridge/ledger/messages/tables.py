"""The messages about a table that is the wrong one, or does not show all rows.

Each names the ways on, as settings or statements that can be typed as they stand.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bridge.findings import Finding, refusal
from bridge.ledger.messages.wording import joined, last_of
from bridge.ledger.state import Elsewhere, State, samples
from bridge.ledger.table_facts import Table
from bridge.reporting.numbers import counted

#: How many schemas a message names before it only counts them.
_SHOWN = 5


def foreign_ledger(state: State) -> Finding:
    """Rows of which none is a file."""
    other_columns = (
        f" {samples(state)} If one of these columns names this application's migrations, say "
        "which with ledger_key = COLUMN, and how with ledger_key_form = stem, file, path or number."
        if state.candidates
        else ""
    )
    count = counted(len(state.rows), "migration")
    return refusal(
        "foreign-ledger",
        f"{state.ledger} records {count}, the last of them {last_of(state)}, "
        "and none of them is a file of this folder: it looks like another application's "
        "ledger.",
        "Give this application a table of its own with "
        "ledger_table = NAME (and version_table = NAME) in alembic.ini, or correct "
        "version_locations if the folder is the wrong one. If it is this project's own ledger, "
        "whose files were all replaced, type: eai migrate repair --adopt."
        f"{other_columns}",
    )


def in_other_schemas(state: State, schemas: Sequence[Elsewhere]) -> Finding:
    """No row where this connection looks, and a table of that name where it does not."""
    here = state.session.here
    names = [each.schema for each in schemas]
    found = "no" if not state.exists else "an empty"
    holds = "the schema" if len(names) == 1 else "each of the schemas"
    closed = next((each.schema for each in schemas if not each.usable), None)
    role = state.session.role
    grant = (
        f"This role may not use it: GRANT USAGE ON SCHEMA {closed} TO {role}; " if closed else ""
    )
    at, again = (f" in {here}", f"in {here}") if here else ("", "in another schema")
    return refusal(
        "other-schema",
        f"This connection finds {found} {state.ledger}{at}, but {holds} {_some(names, state)} of "
        "the same database holds one: if the search_path is not the one that is meant, every "
        f"migration would run again {again}.",
        f"{grant}{_either_schema(state, names)}",
    )


def other_schema(state: State, table: Table, name: str) -> Finding:
    """A table that is found behind the schema in which the files would make theirs."""
    here = state.session.here
    return refusal(
        "other-schema",
        f"The table {name} that this connection finds is in the schema {table.schema}, but "
        f"migrations would make their tables in the schema {here}, which comes before it in the "
        f"search_path: what is recorded in {table.schema} would be taken for applied in {here}.",
        _either_schema(state, [table.schema]),
    )


def _some(names: Sequence[str], state: State) -> str:
    """The schemas that were found, the usual one first; there may be one for each tenant."""
    ordered = sorted(names, key=lambda name: name != state.session.usual)
    more = len(ordered) - _SHOWN
    return joined([*ordered[:_SHOWN], f"{more} more"] if more > 1 else ordered)


def _either_schema(state: State, found: Sequence[str]) -> str:
    """The lines that may be meant: the schema that is first, and the one that has the ledger."""
    here, usual = state.session.here, state.session.usual
    lines = []
    if here:
        lines.append(
            f"If {here} is a schema of its own, in which the migrations are to run, set "
            f"version_table_schema = {here} in alembic.ini; where each tenant has such a schema, "
            f"set it for the run: BRIDGE_VERSION_TABLE_SCHEMA={shlex.quote(here)}."
        )
    if usual in found and usual != here:
        lines.append(
            f"Only if the tables are there, in {usual}, set: version_table_schema = {usual}."
        )
    return " ".join(lines) or "Correct the search_path, or set version_table_schema in alembic.ini."


def other_table(state: State) -> Finding:
    """A table of another name that holds the name of the first file, where nothing is recorded."""
    empty = "is empty" if state.exists else "does not exist"
    found = state.other_table.settings if state.other_table else {}
    lines = " and ".join(f"{name} = {value}" for name, value in found.items())
    return refusal(
        "other-table",
        f"{state.ledger} {empty}, but the table {state.other_table} holds the name of the first "
        "file: most likely another runner has recorded there what it has applied, and every "
        "migration would run a second time.",
        f"If it is this project's ledger, set in alembic.ini: {lines}. "
        f"If it is not, set: ledger_table = {_bare(state.ledger)}.",
    )


def not_a_table(name: str, table: Table, setting: str) -> Finding:
    """A view, or something else, under the name of one of the two tables."""
    shown = f" on {table.view_of}" if table.view_of else ""
    remedy = (
        f"Name the table itself in alembic.ini: {setting} = {table.view_of}."
        if table.view_of and "," not in table.view_of
        else f"Name a table in alembic.ini: {setting} = NAME."
    )
    return refusal(
        "not-a-table",
        f"{name} is {table.other_kind}{shown}, not a table. bridge cannot add its columns to it, "
        "and cannot be sure that it keeps what is recorded.",
        remedy,
    )


def hidden_rows(state: State, name: str, acts: Sequence[str]) -> Finding:
    """Row level security that keeps rows from this role."""
    what = joined([act.lower() for act in acts])
    so = "nobody can tell what is applied" if "SELECT" in acts else "a record may not be kept"
    return refusal(
        "hidden-rows",
        f"Row level security hides rows of {name} from this role, or may refuse them: no policy "
        f"USING (true) lets it {what} every row, so {so}.",
        f"Type this once as the table's owner: CREATE POLICY migrations ON {name} TO "
        f"{state.session.role} USING (true) WITH CHECK (true); or set MIGRATION_DATABASE_URL to a "
        "role with BYPASSRLS.",
    )


def _bare(name: str) -> str:
    """The name of a table without its schema, as the settings take it."""
    return name.rpartition(".")[2].strip('"')
