"""What a database has recorded, in terms of the files of a folder; it only reads.

One way in for every command, so that all of them know the same before anything runs: what the rows
mean, which values a new row needs, and whether the ledger would take it.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from psycopg2.extensions import encodings
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.database.driver_errors import first_line
from bridge.database.quoting import quote_for_text
from bridge.errors import FilesError
from bridge.files.plain_file import PlainFile
from bridge.ledger.drift import row_of
from bridge.ledger.filling import filling
from bridge.ledger.history import Row, in_applied_order
from bridge.ledger.other_tables import find_other_table, undone
from bridge.ledger.state import Rejected, State, named
from bridge.ledger.tables import Ledger

if TYPE_CHECKING:
    from bridge.ledger.table_facts import Column


def read_state(connection: Connection, ledger: Ledger, files: Sequence[PlainFile]) -> State:
    """Read both tables, by the stems of the migrations; nothing is written or locked.

    The connection is in a transaction. Raises LedgerError if nobody can tell what the ledger calls
    the migrations, or if this role may not read it.
    """
    state = named(files, ledger.read(connection))
    ledger = ledger.keyed_by(state)
    pending = [file for file in files if file.stem not in state.recorded]
    codec = _codec(state.session.encoding)
    if codec is not None and not _encodes(connection, codec, pending):
        codec = "ascii"
    layout = replace(state.layout, codec=codec)
    if layout.names and layout.key != state.key_column:
        layout = replace(layout, told=state.key_column)
    state = _with_fillings(connection, ledger, replace(state, layout=layout))
    if state.table is not None and state.table.judges and pending:
        rows = [_row(file, state) for file in pending]
        state = replace(state, rejected=_rejected(connection, ledger, state, rows))
    # Where bridge has been before, this is its ledger, emptied.
    if pending and not (state.rows or state.ours or ledger.is_told):
        state = replace(state, other_table=find_other_table(connection, ledger, files[0].stem))
    return state


def _codec(encoding: str) -> str | None:
    """What Python calls an encoding that has not all characters; None for those that have."""
    if encoding == "UTF8":
        return None
    try:
        name = "ascii" if encoding == "SQL_ASCII" else encodings.get(encoding, "")
        return codecs.lookup(name).name
    except LookupError:
        return "ascii"  # which all of them have


def _encodes(connection: Connection, codec: str, files: Sequence[PlainFile]) -> bool:
    """Whether the server has each character of these files' records that Python has.

    Their tables differ in a few.
    """
    texts = {file.stem for file in files}
    for file in files:
        with suppress(FilesError):
            texts.add(file.header.description)
    shown = [text.encode(codec, "replace").decode(codec) for text in sorted(texts)]
    if all(map(str.isascii, shown)):
        return True
    savepoint = connection.begin_nested()
    try:
        connection.execute(text("SELECT CAST(:shown AS text[])"), {"shown": shown})
    except (DBAPIError, UnicodeEncodeError):
        return False
    finally:
        savepoint.rollback()
    return True


def _with_fillings(connection: Connection, ledger: Ledger, state: State) -> State:
    """The state with what a row needs beyond what bridge writes anyway."""
    layout, table = state.layout, state.table
    if table is None:
        return state
    written = {layout.key, *layout.columns.values()}
    required = [c for c in table.columns.values() if c.required and c.name not in written]
    if not required:
        return state
    values = _values(connection, ledger, state, required)
    found = {
        column.name: filling(column, values[column.name], table=ledger.name) for column in required
    }
    fillings = tuple(each for each in found.values() if each is not None)
    unfilled = tuple(column for column in required if found[column.name] is None)
    return replace(state, layout=replace(layout, fillings=fillings), unfilled=unfilled)


def _values(
    connection: Connection, ledger: Ledger, state: State, columns: Sequence[Column]
) -> dict[str, list[tuple[str, str]]]:
    """What the rows hold in these columns, each with the stem of its migration."""
    ordered = in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)
    wanted = ", ".join(f"{quote_for_text(column.name)}::text" for column in columns)
    statement = f"SELECT {state.layout.quoted_key}::text, {wanted} FROM {ledger.quoted}"  # noqa: S608
    rows = {row[0]: row for row in connection.execute(text(statement))}
    return {
        column.name: [
            (row.version, rows[row.name][place])
            for row in ordered
            if row.name in rows and rows[row.name][place]
        ]
        for place, column in enumerate(columns, start=1)
    }


def _row(file: PlainFile, state: State) -> Row:
    """What would be recorded of a file; of one that cannot be read, its name."""
    row = Row(version=file.stem)
    with suppress(FilesError):
        row = row_of(file, 0)
    return replace(row, key=state.new_key(file.stem))


def _rejected(
    connection: Connection, ledger: Ledger, state: State, rows: Sequence[Row]
) -> tuple[Rejected, ...]:
    """Which of these rows a CHECK, or a domain, of the ledger would refuse, by asking the server.

    What the constraint cannot be evaluated on, it refuses as well.
    """
    assert state.table is not None  # noqa: S101 - only where there are constraints
    try:
        with undone(connection):
            found = ledger.refused_by_checks(connection, state.table, state.layout, rows)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        told = first_line(error)
        if len(rows) == 1:
            return (Rejected(rows[0].version, told),)
        return tuple(each for row in rows for each in _rejected(connection, ledger, state, [row]))
    return tuple(Rejected(rows[place].version, told) for place, told in found)
