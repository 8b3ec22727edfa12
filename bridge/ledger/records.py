"""Write the records of migrations: the rows of the ledger, and the pointer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from bridge.database.sending import send
from bridge.ledger import sql
from bridge.ledger.history import Row
from bridge.ledger.layout import Layout
from bridge.ledger.messages.records import not_forgotten, not_kept
from bridge.ledger.tables import Ledger


def record_applied(
    connection: Connection,
    ledger: Ledger,
    layout: Layout,
    row: Row,
    *,
    pointer: str | None = None,
    after: Collection[str] = (),
) -> None:
    """Add the row of a migration, behind the rows `after`, or behind all.

    Raises LedgerError if the row is not there afterwards under its name, exactly once, or if the
    version table does not say `pointer`, where that is given.
    """
    asked = sql.count_row(ledger, layout, row.name, with_pointers=pointer is not None)
    written = sql.insert_row(ledger, layout, row, after=after)
    count, pointers = send(connection, written, asked).one()
    if count != 1:
        raise not_kept(ledger.name, row.name, [row.name] * count)
    if pointer is not None and pointers != [pointer]:
        raise not_kept(ledger.version_name, pointer, pointers or [])


def record_all(connection: Connection, ledger: Ledger, layout: Layout, rows: Sequence[Row]) -> None:
    """Add the rows of several migrations, in this order; raises as `record_applied`."""
    for row in rows:
        record_applied(connection, ledger, layout, row)


def record_unapplied(
    connection: Connection, ledger: Ledger, layout: Layout, keys: Collection[str]
) -> None:
    """Remove the rows of these migrations, by what the ledger calls them.

    Raises LedgerError if one of them is there afterwards.
    """
    removal = sql.delete_rows(ledger, layout, keys)
    left = send(connection, removal, sql.select_keys(ledger, layout, keys)).scalars().all()
    if left:
        raise not_forgotten(ledger.name, left)


def amend(
    connection: Connection,
    ledger: Ledger,
    layout: Layout,
    key: str,
    *,
    new_key: str | None = None,
    checksum: str | None = None,
    breaking: bool | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Change what the row of a migration says: its name, its checksum, whether it is breaking.

    None leaves it. Both names are what the ledger calls the migration; `about` is what else the
    row says of either, by the names of columns. Raises LedgerError if the row does not say so
    afterwards.
    """
    values = {"key": new_key, "checksum": checksum, "breaking": breaking}
    changes = {name: value for name, value in values.items() if value is not None}
    if send(connection, *sql.update_row(ledger, layout, key, changes, about or {})).scalar() != 1:
        raise not_kept(ledger.name, new_key or key, [])


def record_checksums(
    connection: Connection, ledger: Ledger, layout: Layout, checksums: Mapping[str, str]
) -> None:
    """Give rows that have no checksum these, by what the ledger calls the migrations."""
    send(connection, sql.update_checksums(ledger, layout, checksums))


def set_pointer(connection: Connection, ledger: Ledger, revision: str | None) -> None:
    """Make the version table, which must exist, name this revision, or nothing.

    Raises LedgerError if it does not say so afterwards.
    """
    send(connection, *sql.replace_pointers(ledger, revision))
    confirm_pointer(connection, ledger, revision)


def confirm_pointer(connection: Connection, ledger: Ledger, revision: str | None) -> None:
    """Raise LedgerError unless the version table names this revision, and nothing else."""
    found = send(connection, sql.select_pointers(ledger)).scalars().all()
    if found != ([] if revision is None else [revision]):
        raise not_kept(ledger.version_name, revision or "no revision", found)
