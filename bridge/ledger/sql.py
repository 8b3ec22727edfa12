"""Every statement about the two tables: sent by a run, prepared, or written into a script.

Names and values are in the text, which is complete as it stands. Data in, text out: nothing here
sends anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from bridge.database.literals import literal
from bridge.database.quoting import constant, quote
from bridge.ledger.columns import ADDED_COLUMNS
from bridge.ledger.history import UNKNOWN_CHECKSUMS, Row
from bridge.ledger.layout import CHECKSUM_COMMENT, KEYS, VERSION_LENGTH, Layout
from bridge.ledger.tables import Ledger

#: What is written of a row, beside its name and the time.
_WRITTEN: Final = ("description", "checksum", "execution_ms", "breaking")
#: What is written where a column takes no NULL, and nothing is known.
_UNKNOWN: Final[Mapping[str, Any]] = {"checksum": "", "execution_ms": 0, "breaking": False}


# The tables themselves.


def create_ledger(ledger: Ledger) -> str:
    """Create the ledger, unless it is there."""
    columns = [
        f"{quote(ledger.key or KEYS[0])} VARCHAR({VERSION_LENGTH}) PRIMARY KEY",
        "applied_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP",
        "description TEXT",
        *(f"{name} {kind}" for name, kind in ADDED_COLUMNS.items()),
    ]
    listed = ",\n    ".join(columns)
    return f"CREATE TABLE IF NOT EXISTS {ledger.name} (\n    {listed}\n)"


def add_columns(ledger: Ledger, columns: Mapping[str, str]) -> str:
    """Add these columns, each with its type, as far as they are not there."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in columns.items())
    return f"ALTER TABLE {ledger.name} {added}"


def mark_column(ledger: Ledger, column: str) -> str:
    """Note on a column that bridge's checksums are in it."""
    return f"COMMENT ON COLUMN {ledger.name}.{column} IS {constant(CHECKSUM_COMMENT)}"


def mark_ledger(ledger: Ledger, comment: str) -> str:
    """Put this comment on the ledger."""
    return f"COMMENT ON TABLE {ledger.name} IS {constant(comment)}"


def widen_version_table(ledger: Ledger) -> str:
    """Make room in the version table for long names."""
    wide = f"VARCHAR({VERSION_LENGTH})"
    return f"ALTER TABLE {ledger.version_name} ALTER COLUMN version_num TYPE {wide}"


def narrow_column(ledger: Ledger) -> str:
    """Find the version table's column, if it has less room than that; this begins with FROM."""
    return (
        f"FROM pg_attribute WHERE attrelid = to_regclass({constant(ledger.version_name)}) "
        # PostgreSQL counts four more than the length.
        f"AND attname = 'version_num' AND atttypmod BETWEEN 5 AND {VERSION_LENGTH + 3}"
    )


# The rows of the ledger.


def select_rows(ledger: Ledger, layout: Layout) -> str:
    """Read the fields of all rows."""
    # An adopted table without a key may hold anything; what has no name is no migration.
    where = f" WHERE {layout.key_name}::text <> ''" if layout.key else ""
    return f"SELECT {layout.selected} FROM {ledger.name}{where}"


def values(row: Row, layout: Layout) -> dict[str, Any]:
    """Return what is written of a row, by the names of the parameters that `sources` takes."""
    used = {name: getattr(row, name) for name in _WRITTEN if name in layout.columns}
    if "breaking" in used:
        used["breaking"] = row.breaking or None
    if "description" in used:
        used["description"] = layout.storable(row.description)
    for name, value in used.items():
        if value is None and layout.columns[name] in layout.not_null:
            used[name] = _UNKNOWN.get(name, row.version)
    return {**used, **layout.filled(row), "key": row.name}


def sources(
    ledger: Ledger, layout: Layout, given: Mapping[str, str], *, latest: str | None = None
) -> dict[str, str]:
    """Return the columns of a new row, each with the SQL that gives its value.

    `given` has the SQL of each of its `values`, and `latest` is the SQL of the time of the last
    row, as text or NULL if it is not known. The row is later than every other row even if the
    clock went back.
    """
    columns = layout.columns
    found = {columns[name]: given[name] for name in _WRITTEN if name in columns}
    if layout.words_key is None:  # else both columns are filled
        found[layout.key_name] = given["key"]
    if "applied_at" in columns:
        time, kind = quote(columns["applied_at"]), layout.names[columns["applied_at"]]
        last = f"(SELECT max({time}) FROM {ledger.name})"
        if latest is not None:
            last = f"COALESCE(CAST({latest} AS {kind}), {last})"
        now = f"CAST({layout.now} AS {kind})"
        found[time] = f"GREATEST({now}, {last} + interval '1 microsecond')"
    for place, each in enumerate(layout.fillings):
        found[quote(each.column)] = given[f"filling_{place}"] if each.sql is None else each.sql
    return found


def insert(ledger: Ledger, given: Mapping[str, str], rest: str = "") -> str:
    """Add a row of these `sources`; the SELECT that gives them may have a `rest`."""
    columns, found = ", ".join(given), ", ".join(given.values())
    return f"INSERT INTO {ledger.name} ({columns}) SELECT {found}{rest}"


def insert_row(
    ledger: Ledger,
    layout: Layout,
    row: Row,
    *,
    if_absent: bool = False,
    after: Collection[str] = (),
) -> str:
    """Add this row; `row.applied_at` is not used, the server's clock decides.

    Its time is that of the last row of `after`, and a little more, if there is any.
    """
    given = {name: literal(value) for name, value in values(row, layout).items()}
    absent = f" WHERE NOT EXISTS (SELECT {_rows(ledger, layout, [row.name])})" if if_absent else ""
    found = sources(ledger, layout, given)
    if after and "applied_at" in layout.columns:
        column = layout.columns["applied_at"]
        time, kind = quote(column), layout.names[column]
        last = f"(SELECT max({time}) {_rows(ledger, layout, after)})"
        found[time] = f"COALESCE(CAST({last} + interval '1 microsecond' AS {kind}), {found[time]})"
    return insert(ledger, found, absent)


def insert_replaced(ledger: Ledger, layout: Layout, rows: Iterable[Row]) -> list[str]:
    """Add the rows of what a squash replaces, in their order, as far as they are not there."""
    return [insert_row(ledger, layout, row, if_absent=True) for row in rows]


def delete_rows(ledger: Ledger, layout: Layout, keys: Collection[str]) -> str:
    """Remove the rows of these migrations, by what the ledger calls them."""
    return f"DELETE {_rows(ledger, layout, keys)}"


def select_keys(ledger: Ledger, layout: Layout, keys: Collection[str]) -> str:
    """Ask which of these migrations are recorded."""
    return f"SELECT {layout.key_name}::text {_rows(ledger, layout, keys)}"


def count_row(ledger: Ledger, layout: Layout, key: str, *, with_pointers: bool = True) -> str:
    """Ask how often a migration is recorded, and what the version table says."""
    found = f"ARRAY({select_pointers(ledger)})" if with_pointers else "NULL"
    return f"SELECT count(*), {found} {_rows(ledger, layout, [key])}"


def update_row(
    ledger: Ledger,
    layout: Layout,
    key: str,
    changes: Mapping[str, str | bool],
    about: Mapping[str, str],
) -> tuple[str, str]:
    """Change fields of a row, then count the rows that are so afterwards.

    `changes` has the new name as `key`; `about` are other columns, by their names.
    """
    columns = {**layout.columns, "key": layout.key_name}
    given = {
        columns[name]: literal(value)
        for name, value in changes.items()
        if name != "key" or layout.words_key is None  # else it is in `about`
    }
    given |= {quote(name): literal(value) for name, value in about.items()}
    changed = ", ".join(f"{column} = {value}" for column, value in given.items())
    so = " AND ".join(f"{column}::text = CAST({value} AS text)" for column, value in given.items())
    new = str(changes.get("key", key))
    return (
        f"UPDATE {ledger.name} SET {changed} WHERE {_is_one_of(layout, [key])}",
        f"SELECT count(*) {_rows(ledger, layout, [new])} AND {so}",
    )


def update_checksums(ledger: Ledger, layout: Layout, checksums: Mapping[str, str]) -> str:
    """Give rows that have no checksum these, by what the ledger calls the migrations."""
    column = layout.columns["checksum"]
    known = f"coalesce({ledger.name}.{column}::text, '')"
    return (
        f"UPDATE {ledger.name} SET {column} = given.checksum "
        f"FROM (VALUES {_listed(checksums.items())}) AS given(key, checksum) "
        f"WHERE {layout.key_name}::text = given.key AND {known} IN {literal(UNKNOWN_CHECKSUMS)}"
    )


def _rows(ledger: Ledger, layout: Layout, keys: Collection[str]) -> str:
    return f"FROM {ledger.name} WHERE {_is_one_of(layout, keys)}"


def _is_one_of(layout: Layout, keys: Collection[str]) -> str:
    return f"{layout.key_name}::text = ANY({literal(list(keys))})"


def _listed(rows: Iterable[tuple[str, str]]) -> str:
    return ", ".join(map(literal, rows))


# The version table.


def select_pointers(ledger: Ledger) -> str:
    """Read the version table."""
    return f"SELECT version_num::text FROM {ledger.version_name}"


def replace_pointers(ledger: Ledger, revision: str | None) -> list[str]:
    """Make the version table name this revision, or nothing."""
    clear = f"DELETE FROM {ledger.version_name}"
    return [clear] if revision is None else [clear, insert_pointer(ledger, revision)]


def insert_pointer(ledger: Ledger, revision: str, *, if_absent: bool = False) -> str:
    """Make a version table that is empty name this revision."""
    table, value = ledger.version_name, constant(revision)
    given = f"SELECT {value} WHERE NOT EXISTS (SELECT FROM {table})" if if_absent else None
    return f"INSERT INTO {table} (version_num) {given or f'VALUES ({value})'}"


def move_pointer(ledger: Ledger, old: str, new: str | None) -> str:
    """Move the pointer from one revision to another, or away; both are SQL."""
    where = f"WHERE version_num = {old}"
    if new is None:
        return f"DELETE FROM {ledger.version_name} {where}"
    return f"UPDATE {ledger.version_name} SET version_num = {new} {where}"
