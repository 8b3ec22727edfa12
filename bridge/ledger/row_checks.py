"""Ask whether the ledger would take the row of a migration; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bridge.database.driver_errors import first_line
from bridge.database.literals import literal
from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.errors import FilesError
from bridge.files.plain_file import PlainFile
from bridge.ledger import sql
from bridge.ledger.drift import row_of
from bridge.ledger.history import Row
from bridge.ledger.layout import Layout
from bridge.ledger.other_tables import undone
from bridge.ledger.state import Rejected, State
from bridge.ledger.table_facts import Check, Column, Table
from bridge.ledger.tables import Ledger

#: Defaults that can be evaluated without leaving a trace, as a sequence would.
_HARMLESS: Final = re.compile(
    r"'[^']*'(::[\w \[\]()]+)?|-?[\d.]+|true|false|now\(\)|CURRENT_\w+|clock_timestamp\(\)"
)


def rejected_rows(
    connection: Connection, ledger: Ledger, state: State, pending: Sequence[PlainFile]
) -> tuple[Rejected, ...]:
    """Which of these files a CHECK, or a domain, of the ledger would keep from being recorded.

    The ledger has some. What a constraint cannot be evaluated on, it refuses as well.
    """
    return _rejected(connection, ledger, state, [_row(file, state) for file in pending])


def _row(file: PlainFile, state: State) -> Row:
    """What would be recorded of a file; of one that cannot be read, its name."""
    row = Row(version=file.stem)
    with suppress(FilesError):
        row = row_of(file, 0)
    return replace(row, key=state.new_key(file.stem))


def _rejected(
    connection: Connection, ledger: Ledger, state: State, rows: Sequence[Row]
) -> tuple[Rejected, ...]:
    assert state.table is not None  # noqa: S101 - only where there are constraints
    checks, question = _question(ledger, state.table, state.layout, rows)
    try:
        with undone(connection):
            found = send(connection, question).all()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        if len(rows) == 1:
            return (Rejected(rows[0].version, first_line(error)),)
        return tuple(each for row in rows for each in _rejected(connection, ledger, state, [row]))
    return tuple(
        Rejected(rows[place - 1].version, f"{check.name} CHECK {check.expression}")
        for place, passed, _ in found
        for check, holds in zip(checks, passed, strict=True)
        if not holds
    )


def _question(
    ledger: Ledger, table: Table, layout: Layout, rows: Sequence[Row]
) -> tuple[list[Check], str]:
    """The constraints, and whether each row, by its place, passes each of them.

    A constraint's own expression is evaluated on what would be written.
    """
    values = [sql.values(row, layout) for row in rows]
    given = list(values[0])
    texts = [literal([_as_text(each[name]) for each in values]) for name in given]
    arrays = ", ".join(f"CAST({each} AS text[])" for each in texts)
    sources = sql.sources(ledger, layout, {name: f"given.{name}" for name in given})
    known = {
        name: sources.get(quote(name)) or _default(column) for name, column in table.columns.items()
    }
    columns = ", ".join(
        f"CAST({known[name] or 'NULL'} AS {_kind(column, known[name])}) AS {quote(name)}"
        for name, column in table.columns.items()
    )
    # What depends on a value that only an INSERT makes cannot be known.
    checks = [check for check in table.checks if all(known[name] for name in check.columns)]
    asked = ", ".join(f"({check.expression}) IS NOT FALSE" for check in checks)
    return checks, (
        "SELECT given.place, asked.passed, asked.made "
        f"FROM unnest({arrays}) WITH ORDINALITY AS given({', '.join(given)}, place), "
        f"LATERAL (SELECT {columns}) AS would_be, "
        # The columns by their bare names, and the whole row by the table's.
        "LATERAL (SELECT to_json(would_be) IS NULL AS made, "
        f"CAST(ARRAY[{asked}] AS boolean[]) AS passed "
        f"FROM (SELECT would_be.*) AS {quote(ledger.table)}) AS asked ORDER BY 1"
    )


def _default(column: Column) -> str | None:
    """What a row gets in a column that is not written; None where nobody can tell.

    As where only an INSERT makes it.
    """
    if column.identity or column.generated or column.required:
        return None
    if column.default is None:
        return "NULL"
    return column.default if _HARMLESS.fullmatch(column.default) else None


def _kind(column: Column, known: str | None) -> str:
    """The type of what a column would hold; with its domain, where the value is known."""
    return (column.domain if known else None) or column.type


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
