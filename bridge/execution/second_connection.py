"""The advice on an error of a connection that a file has opened itself.

Such a connection sees what is committed, and waits for what is not. bridge sends the COMMIT of a
`db.commit()` before a statement of another connection, if it sees that one: not if psycopg 3 or a
class of the file's own has made it.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.database.driver import DriverConnection
from bridge.database.sqlstate import sqlstate

#: Something is not there: a table, a column, a type, a schema, a function, a row.
_UNSEEN: Final = frozenset({"42P01", "42703", "42704", "3F000", "42883", "23503"})
#: A lock was not obtained in time, or somebody or a time limit cancelled the statement.
_WAITED: Final = frozenset({"55P03", "57014", "40P01"})

_THROUGH_DB: Final = "Send it through db"


def advice_on_second_connection(
    error: BaseException, real: Any, *, all_or_nothing: bool
) -> str | None:
    """Return what helps, as sentences; None if it is no such error.

    `real` is the migration's own connection, the driver's; `all_or_nothing` is whether a commit
    of the file makes nothing final.
    """
    original: Any = getattr(error, "orig", None) or error
    state = sqlstate(error)
    of_psycopg3 = type(original).__module__.partition(".")[0] == "psycopg"
    connection: Any = getattr(getattr(original, "cursor", None), "connection", None)
    if not of_psycopg3 and (connection is None or connection.pgconn_ptr == real.pgconn_ptr):
        return None
    if state in _UNSEEN:
        what = "It sees only what is committed."
    elif state in _WAITED:
        what = "What it waited for may be a lock that this very migration holds."
    else:
        return None
    if all_or_nothing:
        then = (
            f"db.commit() makes nothing final in this file, which is all or nothing. {_THROUGH_DB}."
        )
    elif of_psycopg3 or not isinstance(connection, DriverConnection):
        then = (
            "bridge does not see it, and so may send the COMMIT of a db.commit() a quarter of a "
            f"second later. {_THROUGH_DB}; or, after db.commit(), execute any statement through "
            'db before it: db.execute(text("SELECT 1")).'
        )
    else:
        then = f"{_THROUGH_DB}, or call db.commit() before it."
    return f"The statement went over a connection that the file opened itself. {what} {then}"
