"""Tell the cause of a migration's error from its SQLSTATE, and what helps.

To correct the file is no help where the disk is full, a right is missing, or a person has cancelled
a statement.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final

from bridge.database.sqlstate import sqlstate
from bridge.reporting.events import Direction


class Blame(Enum):
    """The thing to change before a failed migration is run again."""

    #: The file.
    FILE = auto()
    #: Nothing: it is enough to run it again.
    NOBODY = auto()
    #: Something outside of the file: a right, the server.
    ELSEWHERE = auto()
    #: The file, or nothing: what it does may be done already.
    ALREADY = auto()


def blame(error: BaseException, direction: Direction | str) -> Blame:
    """Return what must change after this error of a statement; the file, if nothing is known."""
    state, text = sqlstate(error) or "", str(getattr(error, "orig", None) or error)
    for words, found in _BY_WORDS.get(state, {}).items():
        if words in text:
            return found
    if state in _THERE or (state in _GONE and direction == Direction.DOWNGRADE):
        return Blame.ALREADY
    if state == _UNIQUE_VIOLATION and _is_of_the_catalog(error):
        return Blame.ALREADY
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], Blame.FILE)


def advice_on_server(error: BaseException) -> str | None:
    """Return what helps against an error that is not the file's fault; None if it may be."""
    state, text = sqlstate(error) or "", str(getattr(error, "orig", None) or error)
    if state == _QUERY_CANCELED and "user request" not in text:
        return None  # a limit of the server's, of which bridge.execution.time_limits tells
    for words, found in _BY_WORDS.get(state, {}).items():
        if words in text:
            return _HELP_ON_WORDS.get(words) if found is not Blame.FILE else None
    return _HELP.get(state) or _HELP.get(state[:2])


def lacks_right(error: BaseException) -> bool:
    """Return whether the role may not do what the statement does."""
    return sqlstate(error) == _NO_RIGHT


def advice_on_right(error: BaseException, role: str) -> str:
    """Say which role lacks a privilege, and how to grant it."""
    text = str(getattr(error, "orig", None) or error)
    other = "or set MIGRATION_DATABASE_URL to the address of a role that may do it"
    if "must be owner of" in text:
        return (
            f"Nothing is wrong with the file: {role} is not the owner, and only the owner may do "
            f"this. Make it a member of the owner, with GRANT, {other}."
        )
    if "row-level security" in text:
        return (
            f"Nothing is wrong with the file: a policy of row level security keeps {role} from "
            f"this. Let the table's owner add a policy that allows it, {other}."
        )
    return (
        f"Nothing is wrong with the file: {role} lacks a right. GRANT it what the message names, "
        f"{other}."
    )


def _is_of_the_catalog(error: BaseException) -> bool:
    diag: Any = getattr(getattr(error, "orig", None) or error, "diag", None)
    return getattr(diag, "schema_name", None) == "pg_catalog"


_NO_RIGHT: Final = "42501"
_QUERY_CANCELED: Final = "57014"
_UNIQUE_VIOLATION: Final = "23505"

#: A table, a column, an object of another kind, a schema, a function, a database.
_THERE: Final = frozenset({"42P07", "42701", "42710", "42P06", "42723", "42P04"})
_GONE: Final = frozenset({"42P01", "42703", "42704", "3F000", "42883", "3D000"})

# What is in none of these tables is for the file to mend: its syntax, its data, its constraints,
# its names, the limits of what PostgreSQL can hold (class 54), statements that need another
# transaction or none.

#: The first two characters of the SQLSTATE.
_BY_CLASS: Final = {
    "08": Blame.NOBODY,  # the connection
    "40": Blame.NOBODY,  # the transaction was rolled back, because of others
    "57": Blame.NOBODY,  # a person or the server itself stepped in
    "53": Blame.ELSEWHERE,  # resources
    "58": Blame.ELSEWHERE,  # the server's machine
    "F0": Blame.ELSEWHERE,  # its configuration
    "XX": Blame.ELSEWHERE,  # a fault in itself
}
_BY_STATE: Final = {
    "55P03": Blame.NOBODY,  # a lock
    "72000": Blame.NOBODY,  # old_snapshot_threshold
    "25P03": Blame.NOBODY,  # idle_in_transaction_session_timeout
    "25P04": Blame.NOBODY,  # transaction_timeout
    "25006": Blame.ELSEWHERE,  # read-only
    _NO_RIGHT: Blame.ELSEWHERE,
    "57P04": Blame.ELSEWHERE,  # somebody has dropped the database
}
#: Where one SQLSTATE has several meanings.
_BY_WORDS: Final = {
    # Of a connection that is gone the driver has often no more than words.
    "": {
        "terminating connection due to administrator": Blame.NOBODY,
        "server closed the connection": Blame.NOBODY,
        "too many clients already": Blame.ELSEWHERE,
        "remaining connection slots are reserved": Blame.ELSEWHERE,
    },
    "0A000": {"is not available": Blame.ELSEWHERE},  # an extension
    "42P16": {"multiple primary keys for table": Blame.ALREADY},
    "55006": {
        "is being accessed by other users": Blame.NOBODY,
        "is used by an active": Blame.NOBODY,
    },
    "XX000": {"tuple concurrently updated": Blame.NOBODY},
}

_RIGHT = "Nothing is wrong with the file"

BROKE: Final = f"The connection to the server broke. {_RIGHT}: run again."

_HELP: Final = {
    "08": BROKE,
    "40001": "Another transaction worked on the same rows at the same time, and this one had to "
    f"give way. {_RIGHT}: run again.",
    "57014": "Somebody cancelled the statement: with `eai migrate lock --cancel`, at a console, or "
    f"a program (pg_cancel_backend). {_RIGHT}: run again.",
    "57P01": "Somebody ended the connection (pg_terminate_backend), or the server was shut down. "
    f"{_RIGHT}: run again.",
    "57P02": f"The server has crashed or was stopped at once. {_RIGHT}: run again when it is up.",
    "57P03": f"The server is starting or shutting down. {_RIGHT}: run again when it is up.",
    "57P04": f"Somebody has dropped the database. {_RIGHT}.",
    "72000": f"The statement ran longer than the server keeps old rows for. {_RIGHT}: run again.",
    "53100": f"The server's disk is full. {_RIGHT}: make room on that disk.",
    "53200": "The server had no memory left for this, or no room in its table of locks. "
    f"{_RIGHT}: give the server more, or raise the setting that the hint names.",
    "53300": "The server takes no more connections. "
    f"{_RIGHT}: end some that nobody needs, or raise max_connections.",
    "53400": f"A limit in the server's configuration was reached. {_RIGHT}: raise that limit.",
    "53": f"The server has run out of something. {_RIGHT}: see the server's log.",
    "58": "The server's machine reported an error. "
    f"{_RIGHT}, unless it names a path, which must exist on the server. See the server's log.",
    "F0": f"The server's configuration is broken. {_RIGHT}: see the server's log.",
    "XX": f"The server found a fault in itself or in its data. {_RIGHT}: see the server's log.",
    "25006": "This connection may only read: the server is a replica, or "
    "default_transaction_read_only is on for the role or the database. "
    f"{_RIGHT}, unless it says READ ONLY itself. Set DATABASE_URL or MIGRATION_DATABASE_URL to the "
    "primary, and to a role that may write.",
}
_HELP_ON_WORDS: Final = {
    "terminating connection due to administrator": _HELP["57P01"],
    "server closed the connection": _HELP["08"],
    "too many clients already": _HELP["53300"],
    "remaining connection slots are reserved": _HELP["53300"],
    "is being accessed by other users": "Others are connected to that database. "
    f"{_RIGHT}: run again when they are gone.",
    "is used by an active": f"Others use it now. {_RIGHT}: run again when they are gone.",
    "tuple concurrently updated": "Another session changed the same object at the same time. "
    f"{_RIGHT}: run again.",
}
