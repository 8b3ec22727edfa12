"""Write rows as INSERT. Data in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bridge.database.quoting import constant, quote
from bridge.operations.schema.tables import Column, Row, Table
from bridge.operations.squash.contents import Contents, written
from bridge.operations.squash.names import named

#: How many rows stand in one INSERT.
_AT_ONCE: Final = 500
#: Types whose values stand without quotes, as long as they look like a number.
_NUMBERS: Final = frozenset({"int2", "int4", "int8", "numeric"})
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_WORDS: Final = {"t": "true", "f": "false"}
#: How a character that has no form of its own in a line is written in an E'…' constant.
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def literal(value: str | None, kind: str = "") -> str:
    """Write a value in one line, as a constant that its column (of a type `kind`) reads back."""
    if value is None:
        return "NULL"
    if kind == "bool":
        return _WORDS.get(value, constant(value))
    if kind in _NUMBERS and _NUMBER.fullmatch(value):
        return value
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    shown = value.replace("\\", "\\\\").replace("'", "''")
    return "E'" + "".join(each if each.isprintable() else _escape(each) for each in shown) + "'"


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - \u has four


def inserts(table: Table, here: str | None = None) -> Iterator[str]:
    """Write the statements that put the rows of a table into it, a row in a line.

    Its name is without its schema if that is `here`.
    """
    name = named(table.key, here)
    places = [place for place, each in enumerate(table.columns) if not each.generated]
    columns = [table.columns[place] for place in places]
    if not columns:
        yield from (f"INSERT INTO {name} DEFAULT VALUES;" for _ in table.rows)
        return
    names = ", ".join(quote(each.name) for each in columns)
    given = " OVERRIDING SYSTEM VALUE" if any(each.identity for each in columns) else ""
    head = f"INSERT INTO {name} ({names}){given} VALUES"
    for begin in range(0, len(table.rows), _AT_ONCE):
        some = table.rows[begin : begin + _AT_ONCE]
        lines = ",\n".join(f"    {_values(row, places, columns)}" for row in some)
        yield f"{head}\n{lines};"


def _values(row: Row, places: list[int], columns: list[Column]) -> str:
    values = (
        literal(row[place], column.type) for place, column in zip(places, columns, strict=True)
    )
    return f"({', '.join(values)})"


def row_statements(found: Contents, here: str | None) -> list[str]:
    """Write the statements for all rows and sequences of a database; `here` as for `inserts`."""
    return [
        *(statement for table in written(found.tables) for statement in inserts(table, here)),
        *(
            f"SELECT pg_catalog.setval({constant(named(name, here))}, {state.last}, "
            f"{str(state.called).lower()});"
            for name, state in found.sequences.items()
            if not state.is_new
        ),
    ]
