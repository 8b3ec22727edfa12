"""Read what a database has recorded, by the files of a folder; it writes nothing.

One way in for every command, so that all of them know the same before anything runs: what the rows
mean, which values a new row needs, and whether the ledger would take it.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from psycopg2.extensions import encodings
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.database.sending import send
from bridge.errors import FilesError
from bridge.files.plain_file import PlainFile
from bridge.ledger import sql
from bridge.ledger.access import granting, reading
from bridge.ledger.catalog import look_up
from bridge.ledger.definition import ADOPTED
from bridge.ledger.history import Row
from bridge.ledger.imported import with_imported
from bridge.ledger.key_columns import named
from bridge.ledger.layout import KEYS, VERSION_LENGTH, Layout
from bridge.ledger.other_columns import understood
from bridge.ledger.other_tables import find_other_table
from bridge.ledger.row_checks import rejected_rows
from bridge.ledger.state import State
from bridge.ledger.table_facts import Table
from bridge.ledger.tables import Ledger
from bridge.ledger.target import refuse_lost_target


def read_state(connection: Connection, ledger: Ledger, files: Sequence[PlainFile]) -> State:
    """Read both tables, by the stems of the migrations; nothing is written or locked.

    The connection is in a transaction. Raises LedgerError if nobody can tell what the ledger calls
    the migrations, or if this role may not read it.
    """
    state = named(files, read_tables(connection, ledger))
    ledger = ledger.keyed_by(state)
    pending = [file for file in files if file.stem not in state.recorded]
    codec = _codec(state.session.encoding)
    if codec is not None and not _encodes(connection, codec, pending):
        codec = "ascii"
    layout = replace(state.layout, codec=codec)
    keys = (state.key_column, state.words_column)
    if layout.names and (layout.key, layout.words_key) != keys:
        layout = replace(layout, chosen_key=state.key_column, words_key=state.words_column)
    state = understood(files, replace(state, layout=layout))
    if state.table is not None and state.table.judges and pending:
        state = replace(state, rejected=rejected_rows(connection, ledger, state, pending))
    # Where bridge has been before, this is its ledger, emptied.
    if pending and not (state.rows or state.ours or ledger.is_named):
        first = files[0].replaces.names[0] if files[0].replaces else files[0].stem
        state = replace(state, other_table=find_other_table(connection, ledger, first))
    return with_imported(files, state)


def read_tables(connection: Connection, ledger: Ledger) -> State:
    """Read everything that both tables say, as it is recorded; neither needs to exist.

    Raises LedgerError if a table of that name cannot be the ledger, or may not be read.
    """
    rows: tuple[Row, ...] = ()
    others: Mapping[str, Sequence[str | None]] = {}
    pointers: Sequence[str | None] = ()
    with reading(ledger):
        catalog = look_up(connection, ledger)
        refuse_lost_target(ledger, catalog.session)
        table, version_table = catalog.ledger, catalog.version_table
    there = ((table, ledger.name), (version_table, ledger.version_name))
    named = [name for table_facts, name in there if table_facts is not None]
    with reading(ledger, granting(catalog.session.role, named)):
        layout = Layout.of(table, ledger.key, ledger.words_key)
        if table is not None and table.other_kind is None:
            layout.check(ledger.name)
            rows, others = _rows(connection, ledger, layout)
        if version_table is not None and version_table.other_kind is None:
            question = f"{sql.select_pointers(ledger)} ORDER BY 1"
            pointers = send(connection, question).scalars().all()
    return State(
        ledger=ledger.name,
        version_table=ledger.version_name,
        exists=table is not None,
        ours=layout.is_ours,
        rows=rows,
        certain=layout.tells_order_of(rows),
        # A NULL, which nothing of Alembic's writes, points nowhere.
        pointers=tuple(pointer for pointer in pointers if pointer),
        blank_pointer=not all(pointers),
        elsewhere=catalog.elsewhere,
        key_column=layout.key if layout.names else ledger.key or KEYS[0],
        numeric=layout.numeric(layout.key),
        key_is_set=ledger.key is not None,
        form=ledger.form,
        words_column=layout.words_key,
        others=others,
        columns=layout.described,
        layout=layout,
        schema=ledger.schema,
        table=table,
        pointer_table=version_table,
        adopted=table is not None and ADOPTED in (table.comment or ""),
        session=catalog.session,
        complete=bool(
            table is not None
            and version_table is not None
            and _room_in(version_table) >= VERSION_LENGTH
            and not layout.lacking
            and all(pointers)
        ),
    )


def _rows(
    connection: Connection, ledger: Ledger, layout: Layout
) -> tuple[tuple[Row, ...], Mapping[str, Sequence[str | None]]]:
    found: Sequence[Any] = send(connection, sql.select_rows(ledger, layout)).all()
    others = {name: [row[-1][place] for row in found] for place, name in enumerate(layout.others)}
    if others:
        found = [row[:-1] for row in found]
    return tuple([Row(*row) for row in found]), others


def _room_in(version_table: Table) -> int:
    """Return how many characters of an id it holds."""
    column = version_table.columns.get("version_num")
    return (column and column.width) or VERSION_LENGTH


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
    """Return whether the server has each character of these files' records that Python has.

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
