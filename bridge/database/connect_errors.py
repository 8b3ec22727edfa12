"""Explain why a connection failed, and whether trying again can help.

At that moment psycopg2 has no SQLSTATE, only libpq's text, which may hold several attempts
and may be in the server's language. What is not recognised counts as "try again later".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg2 import Error
from sqlalchemy.exc import DBAPIError

from bridge.database.connect_causes import FINAL, RUN_AGAIN, TRANSIENT, UNKNOWN, Cause
from bridge.database.url import connection_parameters
from bridge.errors import ServerUnreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.database.database import Database

#: What an attempt to connect raises, through an Engine or without one. psycopg2 cannot decode the
#: message of a server in another encoding.
CANNOT_CONNECT = (DBAPIError, Error, UnicodeDecodeError)


#: The SQLSTATE of a database that is not there.
_NO_DATABASE = "3D000"

#: Where libpq begins to tell of another attempt, in the languages that it is often built with.
_ATTEMPT = re.compile(
    r"^(?=connection to server |Verbindung zum Server |la connexion au serveur "
    r"|falló la conexión al servidor |could not translate |could not parse network "
    r"|Unix-domain socket path )",
    re.MULTILINE,
)


def find_cause(error: Exception) -> Cause:
    """Recognise the failure by libpq's text, or else by an SQLSTATE if there is one."""
    text = _driver_text(error)
    sqlstate = getattr(getattr(error, "orig", error), "pgcode", None)
    by_code = (cause for cause in (*FINAL, *TRANSIENT) if cause.sqlstate == sqlstate)
    return _final(text) or _first(TRANSIENT, text) or next(by_code, UNKNOWN)


def _final(text: str) -> Cause | None:
    """Return the cause that no waiting can cure, from a text about several attempts.

    libpq goes on to another address only from what may pass, so that the address it tried last
    decides. There it may have tried with encryption and without: if the first way was cut, or one
    of them may pass, so may the failure.
    """
    attempts = [each for each in _ATTEMPT.split(text) if each.strip()] or [text]
    last = attempts[-1]
    # A try with Kerberos, of which nobody may know, goes before those with a password.
    first, *others = (
        each
        for each in attempts
        if _place(each) == _place(last) and (each is last or "GSSAPI" not in each)
    )
    may_pass = any(_first(TRANSIENT, each) and not _first(FINAL, each) for each in others)
    if may_pass or not _first(FINAL, first):
        return None
    return _first(FINAL, "\n".join((first, *others)))


def _place(attempt: str) -> str:
    return attempt.partition(": ")[0]


def _first(causes: Iterable[Cause], text: str) -> Cause | None:
    return next((each for each in causes if re.search(each.pattern, text, re.IGNORECASE)), None)


def is_without_database(error: BaseException) -> bool:
    """Return whether an error of `connect` was raised because the database is not there."""
    cause = error.__cause__
    return isinstance(cause, Exception) and find_cause(cause).sqlstate == _NO_DATABASE


def explain_connect_error(error: Exception, database: Database) -> UsageError | ServerUnreachable:
    """Say in a sentence why there is no connection; the caller raises it.

    UsageError is for what only a person can mend, ServerUnreachable for what may pass. The
    driver's own words follow, without the password should it occur in them.
    """
    cause = find_cause(error)
    message = (
        f"No connection to {database.describe()}: {cause.fact}. {cause.advice}"
        f"\nThe driver says: {_without_secrets(_driver_text(error), database)}"
    )
    if cause in FINAL:
        return UsageError(message)
    unreachable = ServerUnreachable(message)
    what_to_check = cause.advice.removesuffix(RUN_AGAIN).rstrip()
    unreachable.reason = f"No connection to {database.describe()}: {cause.fact}. {what_to_check}"
    return unreachable


def _driver_text(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        text = error.object.decode(errors="replace")
    else:
        text = str(getattr(error, "orig", error))
    option = re.search(r'invalid connection option "(\w+)"', text)
    if option:
        return option.group()
    if "invalid dsn" in text:
        return "invalid dsn"  # the rest quotes parts of the connection string
    return text.strip()


def _without_secrets(text: str, database: Database) -> str:
    """Blot out passwords. libpq is not known to print one; this is a second safeguard."""
    given = connection_parameters(database.url)
    names = {given.get(name) for name in ("user", "dbname", "host")}
    for name in ("password", "sslpassword", "passfile"):
        secret = given.get(name)
        if secret and secret not in names:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
