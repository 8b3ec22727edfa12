"""Define the two tables: what bridge makes, and adds to those of others."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bridge.database.sending import send
from bridge.database.sqlstate import sqlstate
from bridge.errors import LedgerError
from bridge.ledger import sql
from bridge.ledger.access import creating
from bridge.ledger.catalog import look_up_layout
from bridge.ledger.layout import OWN_CHECKSUM, Layout
from bridge.ledger.tables import Ledger

#: Stands in the comment on a ledger that a person has said to be this project's.
ADOPTED: Final = "bridge: adopted"

#: SQLSTATEs for which an adopted table is used as it is: the role may not alter it, a view
#: uses its column, or a reader holds it longer than every other reader should wait for us.
_LEFT_ALONE: Final = frozenset({"42501", "0A000", "55P03"})


def ensure_ledger(connection: Connection, ledger: Ledger) -> Layout:
    """Create the ledger, or add to an adopted one what it lacks and this role may add.

    Returns the layout it has now. Raises LedgerError if it cannot be created.
    """
    layout = look_up_layout(connection, ledger)
    if not layout.names:
        with creating(ledger):
            send(connection, sql.create_ledger(ledger), sql.mark_column(ledger, "checksum"))
        return look_up_layout(connection, ledger)
    if layout.lacking:
        ours = [name for name in ("checksum", OWN_CHECKSUM) if name in layout.lacking]
        marks = [sql.mark_column(ledger, name) for name in ours]
        if _alter_if_possible(connection, sql.add_columns(ledger, layout.lacking), *marks):
            return look_up_layout(connection, ledger)
    return layout


def widen_version_table(connection: Connection, ledger: Ledger, *, longest: int) -> None:
    """Make room in an existing version table for ids longer than 32 characters.

    Raises LedgerError if that cannot be done and an id of `longest` characters would not fit: it
    would otherwise fail in the middle of a run.
    """
    width = send(connection, f"SELECT atttypmod - 4 {sql.narrow_column(ledger)}").scalar()
    if width is None:
        return
    statement = sql.widen_version_table(ledger)
    if not _alter_if_possible(connection, statement) and longest > width:
        raise LedgerError(
            f"{ledger.version_name}.version_num holds {width} characters, too few for the names "
            f"of migrations (the longest has {longest}). It could not be widened: this role may "
            "not do it, a view uses it, or somebody holds the table. Nothing was run. Type this "
            f"once as the table's owner: {statement};"
        )


def adopt(connection: Connection, ledger: Ledger, comment: str | None) -> None:
    """Note on the ledger that a person has said that it is this project's.

    `comment` is the one that it has. Raises LedgerError if this role may not.
    """
    statement = sql.mark_ledger(ledger, " ".join(filter(None, (comment, f"({ADOPTED})"))))
    try:
        with connection.begin_nested():
            send(connection, statement)
    except DBAPIError as error:
        if sqlstate(error) != "42501":
            raise
        raise LedgerError(
            f"bridge notes in the comment of {ledger.name} that it is this project's ledger. Only "
            "the table's owner may write that comment. Nothing was changed. Type this once as the "
            f"owner: {statement};"
        ) from error


def _alter_if_possible(connection: Connection, *statements: str) -> bool:
    """Alter a bookkeeping table unless that is forbidden or would make its readers wait."""
    before = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar()
    try:
        with connection.begin_nested():
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            send(connection, *statements)
            connection.execute(text("SELECT set_config('lock_timeout', :v, true)"), {"v": before})
    except DBAPIError as error:
        if sqlstate(error) not in _LEFT_ALONE:
            raise
        return False
    return True
