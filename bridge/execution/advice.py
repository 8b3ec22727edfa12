"""The advice on errors that migrations meet: sentences, and what helps."""

from __future__ import annotations

import re

from bridge.database.driver_errors import first_line
from bridge.database.sqlstate import sqlstate


def advice(error: BaseException) -> str | None:
    """Return what helps against this error, as a sentence; None if nothing is known."""
    state, text = sqlstate(error), str(getattr(error, "orig", None) or error)
    if state in _ADVICE:
        return _ADVICE[state]
    for pattern, sentence in _ADVICE_ON_WORDS:
        if match := pattern.search(text):
            return sentence.format(*match.groups())
    return None


def lost(cause: BaseException | None) -> str:
    """Explain a commit in an aborted transaction; `cause` is what aborted it."""
    why = f" ({first_line(cause)})" if cause else ""
    return (
        f"A statement failed{why} and the file went on without db.rollback(), so PostgreSQL threw "
        "away everything since the last commit. Use db.begin_nested() around a statement that "
        "may fail, or db.rollback() after it."
    )


_ADVICE = {
    "25001": 'Put transaction = "autocommit" at the top of the file: this statement refuses to '
    "run inside a transaction.",
    "55P04": "A new enum value can be used only after it was committed: put a db.commit() after "
    'the ALTER TYPE, and transaction = "default" if the file says "atomic".',
    "55P03": "Another session holds a lock on the table for longer than lock_timeout allows. "
    "Nothing is wrong with the file: run again when the table is less busy.",
    "40P01": "Another session and this migration waited for each other. Nothing is wrong with "
    "the file: run again.",
}

#: Of a connection that is closed, by whomever.
GONE_ON = "The connection to the server was lost while the file ran, and the file went on."
#: Of one that the file has closed.
CLOSED = (
    "The file closed its own connection, which it and its record still need. Leave close() of the "
    "driver's connection and invalidate() out."
)

#: By what the error says; {0} is the first group.
_ADVICE_ON_WORDS = (
    (
        re.compile(r"^This transaction is inactive"),
        (
            "commit() or rollback() of the Connection has ended the Session's transaction, and the "
            "Session does not know. Use db.commit() and db.rollback()."
        ),
    ),
    (
        re.compile(r"can't adapt type '([^']+)'"),
        (
            "Migrations run on psycopg2, whichever driver the URL names, and it does not know "
            "the type {0}. Send an ordinary value: json.dumps(...) for JSON, for example."
        ),
    ),
    (
        re.compile(
            r"'(?:[\w.]*cursor|connection|DriverConnection)' object has no attribute '([^']+)'"
        ),
        (
            "Migrations run on psycopg2, whichever driver the URL names, and psycopg2 has no {0}() "
            "there. For COPY, use copy_expert() of its cursor."
        ),
    ),
    (
        re.compile(r'extension "([^"]+)" is not available'),
        (
            "This server has no extension {0}. The embedded PostgreSQL comes without most "
            "extensions: set DATABASE_URL to a server that has it."
        ),
    ),
    (
        re.compile(r"A value is required for bind parameter '([^']+)'"),
        (
            "In text() a name after a colon is a parameter, here :{0}. Where the colon itself is "
            'meant, write a backslash before it, in a raw string: text(r"... \\:{0} ...").'
        ),
    ),
    (
        # Of the driver's formatting, which SQLAlchemy passes on as it is.
        re.compile(r"^unsupported format character|immutabledict is not a sequence"),
        (
            "In exec_driver_sql() a % begins a parameter. Where the sign itself is meant, write it "
            "twice: %%."
        ),
    ),
)

#: By what the driver calls it; of all else the name is told.
_ENDS = {
    "transaction": "end its transaction by itself (a COMMIT or ROLLBACK as text)",
    "autocommit": "leave its transaction (autocommit)",
}


def no_change_inside(what: str, *, external: bool) -> str:
    """Explain why a file that is all or nothing may not do `what` to its connection."""
    tried = _ENDS.get(what, f"change how its transactions are made ({what})")
    if external:
        return (
            "This file runs in the open transaction of the connection that was handed in, and "
            f"tried to {tried}. Use db.commit() and db.rollback(), or hand in a connection that is "
            "in no transaction, or an Engine, if its commits must be real."
        )
    return (
        'This file runs as transaction = "atomic", all or nothing, and tried to '
        f'{tried}. Use db.commit() and db.rollback(), or transaction = "default" in the file if '
        "its commits must be real."
    )
