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

#: By what the error says; {0} is the first group.
_ADVICE_ON_WORDS = (
    (
        re.compile(
            r"'Connection' object has no attribute '(?:connect|raw_connection|dispose)'"
            r"|can't call begin\(\) here unless rollback\(\) or commit\(\)"
        ),
        (
            "db.get_bind() is a Connection here, already in the migration's transaction: use "
            "db.connection() to get at it."
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

NO_COMMIT_INSIDE = (
    'This file runs as transaction = "atomic", all or nothing, and tried to end the transaction '
    "by itself (a COMMIT or ROLLBACK as text, or commit() or rollback() on the Connection). Use "
    'db.commit() and db.rollback(), or transaction = "default" in the file if its commits must '
    "be real."
)
NO_COMMIT_EXTERNALLY = (
    "This file runs in the open transaction of the connection that was handed in, and tried to "
    "end that transaction by itself (a COMMIT or ROLLBACK as text, or commit() or rollback() on "
    "the Connection). Use db.commit() and db.rollback(), or hand in a connection that is in no "
    "transaction, or an Engine, if its commits must be real."
)
