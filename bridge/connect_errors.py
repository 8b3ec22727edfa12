"""Why a connection could not be made, and whether trying again can help.

At that moment psycopg2 has no SQLSTATE, only libpq's text, which may hold several attempts
and may be in the server's language. What is not recognised counts as "try again later".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import Error
from sqlalchemy.exc import DBAPIError

from bridge.database_url import connection_parameters
from bridge.errors import ServerUnreachable, UsageError

if TYPE_CHECKING:
    from bridge.database import Database

#: What an attempt to connect raises, through an Engine or without one. psycopg2 cannot decode the
#: message of a server in another encoding.
CANNOT_CONNECT = (DBAPIError, Error, UnicodeDecodeError)


@dataclass(frozen=True)
class Cause:
    """One kind of failure."""

    #: What libpq or the server says, in English and in the languages servers often speak.
    pattern: str
    #: What happened.
    fact: str
    #: What to look at.
    advice: str
    #: The same as an SQLSTATE, where one is known (PostgreSQL's appendix A).
    sqlstate: str = "no code"


_CREDENTIALS = (
    "Check the role and its password. In a URL, special characters of a password are"
    " percent-encoded: %40 for @, %2F for /, %25 for %."
)
_TLS = "Check sslmode and the certificates in the URL (?sslmode=require, sslrootcert=…)."
_RUN_AGAIN = "Run again, or let it wait with --wait-for-server 60."

#: What no waiting mends. Looked at before the others: libpq tells of every address it tried.
_FINAL = (
    Cause(
        r"password authentication failed"
        r"|Passwort-Authentifizierung .* fehlgeschlagen"
        r"|authentification par mot de passe échouée"
        r"|la autentificación password falló"
        r"|autenticação do tipo senha falhou",
        "the server refused the password of this role",
        _CREDENTIALS,
        "28P01",
    ),
    Cause(r"no password supplied", "the server wants a password, and none was given", _CREDENTIALS),
    Cause(
        r'role ".*" does not exist|no such user'
        r"|Rolle ».*« existiert nicht"
        r"|le rôle «.*» n'existe pas"
        r"|no existe el rol «"
        r'|role ".*" não existe',
        "the role does not exist on that server",
        "Check the role's name in the URL, or create the role.",
    ),
    Cause(
        r'database ".*" does not exist|no such database'
        r"|Datenbank ».*« existiert nicht"
        r"|base de données «.*» n'existe pas"
        r"|no existe la base de datos «"
        r'|banco de dados ".*" não existe',
        "the database does not exist on that server",
        "Check the database's name in the URL, or create it with createdb.",
        "3D000",
    ),
    Cause(
        r"connection is insecure|SSL connection is required",
        "the server wants the connection to be encrypted",
        "Add ?sslmode=require to the URL.",
    ),
    Cause(
        r"pg_hba\.conf",
        "the server does not admit this host, role and database",
        "Check them, and sslmode if the URL has one; or have a line added to the server's"
        " pg_hba.conf.",
    ),
    Cause(
        r"not permitted to log in|permission denied for database"
        r"|(peer|ident|gssapi|sspi|ldap|pam|radius|certificate|scram).* authentication failed"
        r"|tenant or user not found",
        "the server does not let this role in",
        "Check the role, its right to LOGIN and CONNECT, and how the server authenticates it.",
        "28000",
    ),
    Cause(
        r"does not support SSL|certificate verify failed|does not match host name"
        r"|certificate file|private key file|requires a valid client certificate"
        r"|invalid sslmode",
        "the server and this client do not agree about encryption",
        _TLS,
    ),
    Cause(
        r"expected authentication request|invalid response to SSL negotiation",
        "what answers there is not a PostgreSQL server",
        "Check the host and the port.",
    ),
    Cause(
        r"unsupported startup parameter",
        "the pooler does not pass on a parameter of the URL",
        "Remove it there, or set MIGRATION_DATABASE_URL to the address of the server itself.",
    ),
    Cause(
        r"invalid connection option|invalid dsn|definition of service|invalid port"
        r"|invalid integer value|invalid .* value: "
        r"|could not match .* port numbers",
        "a parameter of the URL is not one that can be used",
        "Check what follows the question mark in the URL.",
    ),
)

_TRANSIENT = (
    Cause(
        r"query_wait_timeout",
        "the pooler had no connection to the server left",
        f"Close some, or raise its default_pool_size. {_RUN_AGAIN}",
    ),
    Cause(
        r"too many connections for role",
        "this role has all the connections that it may have",
        f"Close some, or raise its limit (ALTER ROLE … CONNECTION LIMIT …). {_RUN_AGAIN}",
    ),
    Cause(
        r"too many connections for database",
        "this database has all the connections that it may have",
        f"Close some, or raise its limit (ALTER DATABASE … CONNECTION LIMIT …). {_RUN_AGAIN}",
    ),
    Cause(
        r"too many clients|too many connections|connection slots are reserved"
        r"|no more connections allowed",
        "the server has no connection left",
        f"Close some, or raise max_connections. {_RUN_AGAIN}",
        "53300",
    ),
    Cause(
        r"starting up|shutting down|in recovery mode|not yet accepting connections"
        r"|not accepting connections|hot standby mode"
        r"|terminating connection due to administrator command",
        "the server is starting up or shutting down",
        _RUN_AGAIN,
        "57P03",
    ),
    Cause(
        r"could not translate host name|name or service not known|name resolution",
        "the name of the host is not known",
        f"Check the host, and the network's DNS. {_RUN_AGAIN}",
    ),
    Cause(
        r"connection refused|no such file or directory",
        "nothing listens there",
        f"Check that the server runs, and the host and the port. {_RUN_AGAIN}",
    ),
    Cause(
        r"timeout expired|timed out",
        "the server did not answer in time",
        f"Check the host, the port, and the firewalls between. {_RUN_AGAIN}",
    ),
)

_UNKNOWN = Cause(
    "", "the connection failed", f"Check the server, the host and the port. {_RUN_AGAIN}"
)


def find_cause(error: Exception) -> Cause:
    """Recognise the failure by libpq's text, or else by an SQLSTATE if there is one."""
    text = _driver_text(error)
    sqlstate = getattr(getattr(error, "orig", error), "pgcode", None)
    causes = (*_FINAL, *_TRANSIENT)
    by_text = (cause for cause in causes if re.search(cause.pattern, text, re.IGNORECASE))
    by_code = (cause for cause in causes if cause.sqlstate == sqlstate)
    return next(by_text, None) or next(by_code, _UNKNOWN)


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
    return UsageError(message) if cause in _FINAL else ServerUnreachable(message)


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
    """Blot out passwords. libpq is not known to print one; this is the second line."""
    given = connection_parameters(database.url)
    names = {given.get(name) for name in ("user", "dbname", "host")}
    for name in ("password", "sslpassword", "passfile"):
        secret = given.get(name)
        if secret and secret not in names:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return text
