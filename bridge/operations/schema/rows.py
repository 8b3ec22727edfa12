"""Read the rows of a scratch database, and where its sequences are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.errors import UsageError
from bridge.operations.schema.tables import Column, Name, Row, SequenceState, Table, quoted

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: What stands behind a backslash in COPY's text.
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
#: In which form values are read: as pg_dump reads them, the same for each server and role.
_FORMS: Final = (
    "SET LOCAL search_path = ''",
    "SET LOCAL datestyle = 'ISO, MDY'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL xmloption = content",
    # A policy is to be an error here, and to hide no row.
    "SET LOCAL row_security = off",
)
#: Schemas of the server's own, and those of sessions.
OURS: Final = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OF_EXTENSION: Final = """EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.objid = c.oid
    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e')"""
_TABLES: Final = f"""
SELECT n.nspname::text, c.relname::text, c.relkind = 'm', t.typname::text, a.attname::text,
       a.attidentity <> '', a.attgenerated <> '',
       {_OF_EXTENSION},
       ARRAY(SELECT k.attname::text FROM pg_catalog.pg_index AS i, unnest(i.indkey) WITH ORDINALITY
                    AS p (number, place) JOIN pg_catalog.pg_attribute AS k
                    ON k.attnum = p.number WHERE k.attrelid = c.oid AND i.indrelid = c.oid
                AND i.indisprimary ORDER BY p.place)
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute AS a
         ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
 WHERE (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) AND {OURS}
 ORDER BY n.nspname, c.relname, a.attnum"""  # noqa: S608
_SEQUENCES: Final = f"""
SELECT n.nspname::text, c.relname::text, s.seqstart
  FROM pg_catalog.pg_sequence AS s JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE {OURS} AND NOT {_OF_EXTENSION}
 ORDER BY 1, 2"""  # noqa: S608


def read_tables(connection: Connection, without: Collection[str]) -> tuple[Table, ...]:
    """Read all tables, and materialized views that are filled, but those of these names.

    Raises UsageError if a row cannot be read.
    """
    send(connection, *_FORMS)
    try:
        return tuple(_tables(connection, without))
    except psycopg2.Error as error:
        raise UsageError(
            f"The rows of a scratch database could not be read: {str(error).splitlines()[0]}. "
            "Nothing was written."
        ) from error


def _tables(connection: Connection, without: Collection[str]) -> Iterator[Table]:
    found: list[Any] = send(connection, _TABLES).all()
    for (schema, name), lines in groupby(found, key=lambda row: (row[0], row[1])):
        if name in without:
            continue
        rows = list(lines)
        first = rows[0]
        columns = tuple(
            Column(column, kind, identity, generated)
            for _, _, _, kind, column, identity, generated, *_ in rows
            if column is not None
        )
        yield Table(
            schema,
            name,
            columns,
            parse_copy(_copied(connection, (schema, name), columns, first[8]), len(columns)),
            of_extension=first[7],
            is_view=first[2],
        )


def _copied(
    connection: Connection, name: Name, columns: Sequence[Column], key: Sequence[str]
) -> str:
    """Ask for the rows of a table as COPY writes them: by its key, else as they lie there."""
    listed_columns = ", ".join(quote(each.name) for each in columns)
    order = ", ".join(map(quote, key)) or "ctid"
    out = StringIO()
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        cursor.copy_expert(
            f"COPY (SELECT {listed_columns} FROM ONLY {quoted(name)} ORDER BY {order}) TO STDOUT",  # noqa: S608
            out,
        )
    return out.getvalue()


def read_sequences(connection: Connection, without: Collection[str]) -> dict[Name, SequenceState]:
    """Read where each sequence is, but those of these names and those of extensions."""
    found: list[Any] = send(connection, _SEQUENCES).all()
    states: dict[Name, SequenceState] = {}
    for schema, name, start in found:
        if name not in without:
            question = f"SELECT last_value, is_called FROM {quoted((schema, name))}"  # noqa: S608
            last, called = send(connection, question).one()
            states[schema, name] = SequenceState(last, called, start)
    return states


def parse_copy(text: str, width: int) -> tuple[Row, ...]:
    """Read what COPY … TO STDOUT has written of this many columns, in its text format."""
    lines = text.split("\n")[:-1]
    return tuple(tuple(map(_value, line.split("\t"))) if width else () for line in lines)


def _value(field: str) -> str | None:
    if field == "\\N":
        return None
    if "\\" not in field:
        return field
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), field)
