"""Find what the two tables cannot hold, before anything runs.

Data in, data out: the facts are from the catalog. What it finds out is what would else be found out
after the work, when it cannot be recorded any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bridge.database.quoting import quote, readable_constant
from bridge.findings import Finding, refusal, warning
from bridge.ledger.filling import default_of, says_how_long_or_when
from bridge.ledger.history import Entry, Row
from bridge.ledger.lacking_columns import lacking_columns
from bridge.ledger.rights import NEEDED, missing_tables, rights
from bridge.ledger.state import State
from bridge.ledger.table_facts import Column, Table
from bridge.reporting.events import Direction


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
        yield from missing_tables(state)
    if recorded:
        yield from _names(state, recorded)
        yield from _columns(state)
        yield from _rejected(state, recorded)
        yield from lacking_columns(state, recorded)
        yield from _triggers(state)


def _names(state: State, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Files whose names the ledger cannot hold, whole and in the characters of the database."""
    table = state.table or Table()
    codec = state.layout.codec
    taken = _taken(state)
    for entry in entries:
        for name, value in _names_of(state, entry).items():
            column = table.columns.get(name)
            if column is not None and not column.holds(value):
                yield _no_room(state, column, value, entry)
            if column is not None and column.number in table.unique:
                other = taken.setdefault((name, value), entry.stem)
                if other != entry.stem:
                    yield _twice(state, column, value, entry, other)
            if codec is not None and not _encodable(value, codec):
                yield refusal(
                    "unstorable-name",
                    f"The name {value} has a character that this database cannot hold: its "
                    f"encoding is {state.session.encoding}.",
                    "Give the file a name in plain letters and digits.",
                    migration=entry.stem,
                    file=entry.path,
                )


def _names_of(state: State, entry: Entry) -> dict[str, str]:
    """What would be written of the name of a file, column by column."""
    names = {}
    if state.words_column is None:
        names[state.key_column or ""] = state.new_key(entry.stem)
    for filling in state.layout.fillings:
        if filling.of_row is not None and filling.about == "name":
            names[filling.column] = filling.of_row(Row(entry.stem)) or ""
    return names


def _taken(state: State) -> dict[tuple[str, str], str]:
    """The values that no other row may have, by their columns, each with its migration."""
    table = state.table or Table()
    return {
        (column.name, value): row.version
        for column in table.columns.values()
        if column.number in table.unique and column.name in state.others
        for row, value in zip(state.rows, state.others[column.name], strict=True)
        if value
    }


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
        f"{value} {many}, and {state.ledger}.{name} {holds}.",
        f"Type this once as the table's owner: ALTER TABLE {state.ledger} ALTER COLUMN {name} "
        f"TYPE {kind};",
        migration=entry.stem,
        file=entry.path,
    )


def _twice(state: State, column: Column, value: str, entry: Entry, other: str) -> Finding:
    name = f"{state.ledger}.{quote(column.name)}"
    return refusal(
        "refused-row",
        f"{name} takes each value once, and {readable_constant(value)} would be in the rows of "
        f"{other} and {entry.stem}. So the migration could run, but could not be recorded.",
        f"Give {entry.stem}.py a number of its own.",
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
        default = default_of(column)
        has = "no default" if default is None else f"the default {readable_constant(default)}"
        yield refusal(
            "required-column",
            f"{state.ledger}.{quote(column.name)} must have a value, and bridge does not know "
            f"which: it has {has}, and neither its name nor the other rows tell. So a "
            "migration could run, but could not be recorded.",
            f"Type this once as the table's owner: {_default_for(state, column)}",
        )


def _default_for(state: State, column: Column) -> str:
    name = quote(column.name)
    alter = f"ALTER TABLE {state.ledger} ALTER COLUMN {name}"
    if default_of(column) is not None:
        return f"{alter} SET DEFAULT '...'; (with the word for one that has succeeded)"
    if column.numeric and column.domain is None and not says_how_long_or_when(column):
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
                f"{state.ledger} would refuse the row of {each.stem}: {each.reason}. So the "
                "migration could run, but could not be recorded.",
                "Change or drop that constraint of the table, or the name of the file.",
                migration=each.stem,
                file=entry.path,
            )


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
                "If a record is not kept as it was written, its migration fails and is rolled "
                "back.",
            )


def _counted_triggers(table: Table) -> str:
    return "a trigger or rule" if len(table.triggers) == 1 else "triggers or rules"
