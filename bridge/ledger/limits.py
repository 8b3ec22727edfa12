"""What the two tables can hold, and this role may write, told before anything runs.

Data in, data out: the facts are from the catalog. What it finds out is what would else be found out
after the work, when it cannot be recorded any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final

from bridge.database.quoting import quote, readable_constant
from bridge.errors import FilesError
from bridge.findings import Finding, refusal, warning
from bridge.ledger.history import Entry
from bridge.ledger.layout import ADDED_COLUMNS, Layout
from bridge.ledger.messages import hidden_rows
from bridge.ledger.state import State
from bridge.ledger.table_facts import Column, Table
from bridge.reporting.events import Direction

#: What recording takes, on the ledger and on the version table. Alembic moves its pointer with an
#: UPDATE, but an INSERT from base, and a DELETE to it.
NEEDED: Final = {
    Direction.UPGRADE: ({"INSERT"}, {"INSERT", "UPDATE"}),
    Direction.DOWNGRADE: ({"DELETE"}, {"UPDATE", "DELETE"}),
}
#: How many migrations a message names; the rest are counted.
_NAMED = 3


def limits(
    state: State,
    recorded: Sequence[Entry],
    forgotten: Sequence[Entry] = (),
    *,
    ledger: Collection[str] = (),
    pointer: Collection[str] = (),
) -> Iterator[Finding]:
    """Why these migrations could not be recorded, or forgotten, and what of them could not be.

    `ledger` and `pointer` are what else is done with the two tables.
    """
    acts = [NEEDED[Direction.UPGRADE]] if recorded else []
    acts += [NEEDED[Direction.DOWNGRADE]] if forgotten else []
    yield from rights(
        state,
        {*ledger}.union(*(of_ledger for of_ledger, _ in acts)),
        {*pointer}.union(*(of_pointer for _, of_pointer in acts)),
    )
    if recorded or forgotten:
        yield from _missing_tables(state)
    if recorded:
        yield from _names(state, recorded)
        yield from _columns(state)
        yield from _rejected(state, recorded)
        yield from _lacking(state, recorded)
        yield from _triggers(state)


def rights(state: State, ledger: set[str], version_table: set[str]) -> Iterator[Finding]:
    """Which of the two tables this role may not write as it has to, or not in every row."""
    tables = (
        (state.ledger, state.table, ledger),
        (state.version_table, state.pointer_table, version_table),
    )
    lacking = [
        f"{_listed(sorted(needed - table.rights))} on {name}"
        for name, table, needed in tables
        if table is not None and needed - table.rights
    ]
    if lacking:
        both = f"{state.ledger} and {state.version_table}"
        yield refusal(
            "rights",
            "This role may not write what a run records: it has no right to "
            f"{', and none to '.join(lacking)}. Nothing was run.",
            f"Grant it SELECT, INSERT, UPDATE and DELETE on {both}, or set "  # noqa: S608
            "MIGRATION_DATABASE_URL to a role that has them.",
        )
    for name, table, needed in tables:
        if table is not None and table.hides(*needed):
            yield hidden_rows(state, name, sorted(needed - table.covered))
    for name, table, needed in tables:
        if table is not None and needed & table.published:
            yield _published(name, needed & table.published)


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
        f"{what}, {task}. Nothing was run.",
        "It needs the primary, and a role that may write "
        "there: set MIGRATION_DATABASE_URL to its address. If the primary changes between "
        "servers, name them all, and add target_session_attrs: "
        "postgresql://role@host1,host2/database?target_session_attrs=read-write",
    )


def unrecorded_checksums(state: State) -> Finding | None:
    """Why a checksum cannot be recorded that a person has asked for; None if it can be."""
    return no_checksums(state, state.layout) if _keeps_no_checksum(state) else None


def no_checksums(state: State, layout: Layout) -> Finding:
    """A ledger that has no column for a checksum, and gets none."""
    return refusal(
        "lacks-columns",
        f"{state.ledger} has no column for bridge's checksums, and this role may not add it; what "
        f"it lacks is {_listed([*layout.lacking, *layout.unusable])}. Nothing was changed.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
    )


def _keeps_no_checksum(state: State) -> bool:
    table = state.table
    return not (table is None or table.owned or "checksum" in state.layout.columns)


def something_to_run(entries: Sequence[Entry]) -> str:
    """The task that a connection cannot do that only reads."""
    stems = [entry.stem for entry in entries]
    more = len(stems) - _NAMED
    named = ", ".join(stems[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"and there is something to run: {named}"


def lacks_columns(state: State, layout: Layout) -> Finding | None:
    """What an adopted ledger lacks that cannot be added, and what does not hold without it."""
    unusable = layout.unusable
    lacking = {**layout.lacking, **dict.fromkeys(unusable)}
    if not lacking or not layout.names:
        return None
    names = list(lacking)
    without = [what for name, what in _WITHOUT if not names_recorded(layout) >= {name}]
    return warning(
        "lacks-columns",
        f"{state.ledger} has no {'column' if len(names) == 1 else 'columns'} "
        f"{_listed(names)}{' of a type that bridge can use' if unusable else ''}, and this role "
        f"may not add {'it' if len(names) == 1 else 'them'}: {'; '.join(without)}.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
    )


def additions(state: State) -> str | None:
    """What the first run that writes adds to a table that another runner has made; None if nothing.

    A team may want to know, before it looks at its own table afterwards.
    """
    lacking = list(state.layout.lacking)
    if state.table is None or not lacking or not state.table.owned:
        return None
    columns = f"the {'column' if len(lacking) == 1 else 'columns'} {_listed(lacking)}"
    made = "" if state.pointer_table else f", and makes the table {state.version_table}"
    return (
        f"{state.ledger} was made by another runner: the first run adds {columns} to it, records "
        f"the checksums of the files that are there{made}."
    )


def names_recorded(layout: Layout) -> set[str]:
    """Which of bridge's own columns can be written."""
    return set(layout.columns) & set(ADDED_COLUMNS)


def addition(ledger: str, layout: Layout) -> str:
    """The statement that gives a ledger the columns that it lacks, for a person to type."""
    parts = [f"ADD COLUMN {name} {kind}" for name, kind in layout.lacking.items()]
    parts += [
        f"ALTER COLUMN {name} TYPE {ADDED_COLUMNS.get(name, ADDED_COLUMNS['checksum'])} USING NULL"
        for name in layout.unusable
    ]
    return f"ALTER TABLE {ledger} {', '.join(parts)};"


_WITHOUT: Final = (
    ("checksum", "files that are renamed or changed after they were applied are not noticed"),
    ("execution_ms", "how long a migration took is not recorded"),
    ("breaking", "breaking = True cannot be recorded, so a file that says it is refused"),
)


def _missing_tables(state: State) -> Iterator[Finding]:
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
        schema = state.schema or state.session.here
        yield refusal(
            "rights",
            f"The {'table' if len(missing) == 1 else 'tables'} {_listed(missing)} cannot be "
            f"created by this role: it may not create tables in the schema {schema}. Nothing was "
            "run.",
            f"Type this once as the schema's owner: GRANT USAGE, CREATE ON SCHEMA {schema} TO "
            f"{state.session.role}; or set MIGRATION_DATABASE_URL to a role that has them.",
        )


def _published(name: str, acts: Collection[str]) -> Finding:
    """A table in which nobody may do this, because those who follow could not be told of it."""
    return refusal(
        "no-delete",
        f"{name} is part of a publication and has no replica identity, so PostgreSQL refuses to "
        f"{_listed(sorted(act.lower() for act in acts))} its rows. Nothing was run.",
        f"Type this once as the table's owner: ALTER TABLE {name} REPLICA IDENTITY FULL; or give "
        "the table a primary key.",
    )


def _names(state: State, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Files whose names the ledger cannot hold, whole and in the characters of the database."""
    columns = state.table.columns if state.table else {}
    codec = state.layout.codec
    for entry in entries:
        names = {state.key_column or "": state.new_key(entry.stem)}
        for filling in state.layout.fillings:
            if filling.of_stem is not None:
                names[filling.column] = filling.of_stem(entry.stem)
        for name, value in names.items():
            column = columns.get(name)
            if column is not None and not column.holds(value):
                yield _no_room(state, column, value, entry)
            if codec is not None and not _encodable(value, codec):
                yield refusal(
                    "unstorable-name",
                    f"The name {value} has a character that this database cannot hold: its "
                    f"encoding is {state.session.encoding}. Nothing was run.",
                    "Give the file a name in plain letters and digits.",
                    migration=entry.stem,
                    file=entry.path,
                )


def _no_room(state: State, column: Column, value: str, entry: Entry) -> Finding:
    name, kind = quote(column.name), "BIGINT" if column.numeric else "VARCHAR(255)"
    many = "is a number" if column.numeric else f"has {len(value)} characters"
    holds = f"holds {column.width}" if column.width else f"is of the type {column.type}"
    if column.numeric:
        holds += ", which has no number so large"
    elif not column.width:
        holds += ", which holds 63 bytes"
    return refusal(
        "unstorable-name",
        f"{value} {many}, and {state.ledger}.{name} {holds}. Nothing was run.",
        f"Type this once as the table's owner: ALTER TABLE {state.ledger} ALTER COLUMN {name} "
        f"TYPE {kind};",
        migration=entry.stem,
        file=entry.path,
    )


def _encodable(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _columns(state: State) -> Iterator[Finding]:
    for column in state.unfilled:
        yield refusal(
            "required-column",
            f"{state.ledger}.{quote(column.name)} must have a value, and bridge does not know "
            "which: it has no default, and neither its name nor the other rows tell. So a "
            "migration could run, but not be recorded. Nothing was run.",
            f"Type this once as the table's owner: {_mend(state, column)}",
        )


def _mend(state: State, column: Column) -> str:
    name = quote(column.name)
    alter = f"ALTER TABLE {state.ledger} ALTER COLUMN {name}"
    if column.numeric and column.domain is None:
        next_one = f"(SELECT COALESCE(max({name}), 0) + 1 FROM {state.ledger})"  # noqa: S608
        names = ", ".join(map(readable_constant, (state.ledger, column.name)))
        sequence = f"pg_get_serial_sequence({names})"
        return (
            f"{alter} ADD GENERATED BY DEFAULT AS IDENTITY; "
            f"SELECT setval({sequence}, {next_one}, false);"
        )
    if column.type == "uuid":
        return f"{alter} SET DEFAULT gen_random_uuid();"
    default = f"{alter} SET DEFAULT '...';"
    if column.domain is not None:
        return f"{default} (with a value of {column.domain})"
    return f"{alter} DROP NOT NULL; or give it a default: {default}"


def _rejected(state: State, entries: Sequence[Entry]) -> Iterator[Finding]:
    pending = {entry.stem: entry for entry in entries}
    for each in state.rejected:
        entry = pending.get(each.stem)
        if entry is not None:
            yield refusal(
                "refused-row",
                f"{state.ledger} would refuse the row of {each.stem}: {each.told}. So it could "
                "run, but not be recorded. Nothing was run.",
                "Change or drop that constraint of the table, or the name of the file.",
                migration=each.stem,
                file=entry.path,
            )


def _lacking(state: State, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Columns that bridge may not add; what depends on them is refused."""
    table, layout = state.table, state.layout
    if table is None or (table.owned and not layout.unusable):
        return
    found = lacks_columns(state, layout)
    if found is None:
        return
    yield found
    if "breaking" not in layout.columns:
        for entry in entries:
            if _says_breaking(entry):
                yield breaking_unrecorded(state, layout, entry)


def breaking_unrecorded(state: State, layout: Layout, entry: Entry) -> Finding:
    """A file whose word to older releases could not be kept."""
    return refusal(
        "breaking-unrecorded",
        f"{entry.stem} says breaking = True, and {state.ledger} has no column to record it in: "
        "an older release would start on this database all the same. Nothing was run.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
        migration=entry.stem,
        file=entry.path,
    )


def drift_unrecorded(state: State) -> Finding | None:
    """A setting that promises what this ledger cannot tell; None if it can, or will."""
    if not _keeps_no_checksum(state):
        return None
    return refusal(
        "drift-unrecorded",
        f"drift = refuse is set, but {state.ledger} has no column for bridge's checksums, and "
        "this role may not add it: a file that was changed would not be noticed. Nothing was run.",
        f"Type this once as the table's owner: {addition(state.ledger, state.layout)} Or set drift "
        "= warn.",
    )


def _says_breaking(entry: Entry) -> bool:
    with suppress(FilesError):  # told by itself
        return entry.file is not None and entry.file.header.breaking
    return False


def _triggers(state: State) -> Iterator[Finding]:
    for name, table in (
        (state.ledger, state.table),
        (state.version_table, state.pointer_table),
    ):
        if table is not None and table.triggers:
            yield warning(
                "trigger",
                f"{name} has {_counted_triggers(table)} that may change what is recorded: "
                f"{', '.join(table.triggers)}.",
                "A record that does not come out as it was written fails its migration, which is "
                "rolled back.",
            )


def _counted_triggers(table: Table) -> str:
    return "a trigger or rule" if len(table.triggers) == 1 else "triggers or rules"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
