"""Every text with which libpq or a starting session may refuse, sorted: final, or it may pass."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.exc import OperationalError

from bridge.database.connect_causes import UNKNOWN
from bridge.database.connect_errors import explain_connect_error
from bridge.database.database import Database
from bridge.database.engine import normalise
from bridge.errors import ServerUnreachable, UsageError

PASSWORD = "the server refused the password"
NO_PASSWORD = "the server wants a password"
NO_ROLE = "no role is named, and the user that this process runs as has no name"
WAY = "the server does not authenticate in the way"
METHOD = "do not agree about how the role is authenticated"
GSS = "GSSAPI encryption was asked for"
TLS = "do not agree about encryption"
NO_SERVER = "is not a PostgreSQL server"
PROTOCOL = "does not speak the protocol"
SERVICE = "the service that names the database"
SETTING = "refuses a setting with which the session"
PARAMETER = "a parameter of the URL is not one"

#: libpq's own texts, as they stand in its source, that no waiting mends.
MISTAKES = {
    NO_PASSWORD: ["fe_sendauth: no password supplied\n"],
    NO_ROLE: ["local user with ID %d does not exist"],
    WAY: [
        'authentication method requirement "%s" failed: %s',
        "channel binding is required, but server did not offer an authentication method that",
        "channel binding required but not supported by server's authentication request",
        "channel binding required, but SSL not in use",
        "channel binding required, but server authenticated client without channel binding",
        "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection",
        "could not encode cbind data for channel binding\n",
        "server accepted connection without a valid SSL certificate",
        "server did not request an SSL certificate",
        'require_auth method "%s" cannot be mixed with negative methods',
        'require_auth method "%s" is specified more than once',
        'negative require_auth method "%s" cannot be mixed with non-negative methods',
        'requirepeer specifies "%s", but actual peer user name is "%s"',
        "requirepeer parameter is not supported on this platform",
        "AuthenticationSASLFinal received from server, but SASL authentication was not completed",
        "could not determine server certificate signature algorithm",
        "could not find digest for NID %s",
        "could not generate peer certificate hash",
    ],
    METHOD: [
        "authentication method %u not supported",
        "Crypt authentication not supported",
        "Kerberos 4 authentication not supported",
        "Kerberos 5 authentication not supported",
        "none of the server's SASL authentication mechanisms are supported",
        "error received from server in SCRAM exchange: %s",
        "incorrect server signature",
        "invalid SCRAM response (nonce mismatch)",
        "no client response found after SASL exchange success",
    ],
    GSS: [
        "GSSAPI encryption required but it is not supported over a local socket",
        "server doesn't support GSSAPI encryption, but it was required",
    ],
    TLS: [
        "server does not support SSL, but SSL was required",
        'weak sslmode "%s" may not be used with sslnegotiation=direct (use "require"',
        'weak sslmode "%s" may not be used with sslrootcert=system (use "verify-full")',
        "SSL error: certificate verify failed: %s",
        'server certificate for "%s" does not match host name "%s"',
        'server certificate for "%s" (and %d other names) does not match host name "%s"',
        "host name must be specified",
        "host name must be specified for a verified SSL connection",
        'could not open certificate file "%s": %s',
        'could not read certificate file "%s": %s',
        'could not read root certificate file "%s": %s',
        'root certificate file "%s" does not exist\n',
        "could not get home directory to locate root certificate file\n",
        "could not load system root certificate paths: %s",
        'could not load private key file "%s": %s',
        'could not stat private key file "%s": %m',
        'private key file "%s" is not a regular file',
        'private key file "%s" has group or world access; file must have permissions',
        'certificate does not match private key file "%s": %s',
        'certificate present, but not private key file "%s"',
        "certificate could not be obtained: %s",
        "certificate contains IP address with invalid length %zu",
        "could not convert certificate's IP address to string: %s",
        "could not get server's host name from server certificate",
        "SSL certificate's address entry is missing",
        "SSL certificate's name contains embedded null",
        "SSL certificate's name entry is missing",
        'could not load SSL engine "%s": %s',
        'could not initialize SSL engine "%s": %s',
        'could not load private SSL key "%s" from engine "%s": %s',
        'could not read private SSL key "%s" from engine "%s": %s',
        "invalid SSL protocol version range",
        'invalid value "%s" for maximum SSL protocol version',
        'invalid value "%s" for minimum SSL protocol version',
        "could not set maximum SSL protocol version: %s",
        "could not set minimum SSL protocol version: %s",
        "This may indicate that the server does not support any SSL protocol version between",
        "SSL connection was established with unexpected ALPN protocol",
        "direct SSL connection was established without ALPN protocol negotiation extension",
        "received unencrypted data after SSL response",
        "received unencrypted data after GSSAPI encryption response",
    ],
    NO_SERVER: [
        "expected authentication request from server, but received %c",
        "received invalid authentication request",
        "received invalid response to GSSAPI negotiation: %c",
        "received invalid response to SSL negotiation: %c",
    ],
    PROTOCOL: [
        "protocol extension not supported by server: %s",
        "protocol extensions not supported by server: %s",
        "protocol version not supported by server: client uses %u.%u, server supports up to %u.%u",
    ],
    SERVICE: [
        'definition of service "%s" not found',
        'service file "%s" not found',
        'syntax error in service file "%s", line %d',
        'line %d too long in service file "%s"',
        'nested service specifications not supported in service file "%s", line %d',
        'invalid LDAP URL "%s": invalid port number',
        'invalid LDAP URL "%s": missing distinguished name',
        'invalid LDAP URL "%s": must have exactly one attribute',
        'invalid LDAP URL "%s": must have search scope (base/one/sub)',
        'invalid LDAP URL "%s": no filter',
        'invalid LDAP URL "%s": scheme must be ldap://',
        "no entry found on LDAP lookup",
        "more than one entry found on LDAP lookup",
        "attribute has no values on LDAP lookup",
    ],
    PARAMETER: [
        'invalid connection option "%s"',
        'invalid integer value "%s" for connection option "%s"',
        'invalid %s value: "%s"',
        'invalid "%s" value: "%s"',
        'invalid port number: "%s"',
        "could not match %d host names to %d hostaddr values",
        "could not match %d port numbers to %d hosts",
        'could not parse network address "%s": %s',
        'Unix-domain socket path "%s" is too long (maximum %d bytes)',
        'missing "=" after "%s" in connection info string',
        "unterminated quoted string in connection info string",
        'IPv6 host address may not be empty in URI: "%s"',
        'end of string reached when looking for matching "]" in IPv6 host address in URI: "%s"',
        'unexpected character "%c" at position %d in URI (expected ":" or "/"): "%s"',
        'extra key/value separator "=" in URI query parameter: "%s"',
        'missing key/value separator "=" in URI query parameter: "%s"',
        'invalid URI query parameter: "%s"',
        'invalid percent-encoded token: "%s"',
        'forbidden value %%00 in percent-encoded value: "%s"',
    ],
}

#: Those that other versions of libpq have, or OpenSSL, or psycopg2, or a pooler.
MISTAKES_ELSEWHERE = [
    (NO_ROLE, "local user with ID 12345 does not exist"),
    (WAY, "channel binding is required, but client does not support it"),
    (METHOD, "GSSAPI authentication not supported"),
    (METHOD, "SSPI authentication not supported"),
    (METHOD, "no OAuth flows are available (try installing the libpq-oauth package)"),
    (METHOD, 'OAuth discovery URI "x" must use HTTPS'),
    (METHOD, "server rejected OAuth bearer token: invalid_token"),
    (METHOD, "server requires OAuth authentication, but no discovery metadata was provided"),
    (
        METHOD,
        'server\'s discovery document at x (issuer "y") is incompatible with oauth_issuer (z)',
    ),
    (TLS, 'sslmode value "require" invalid when SSL support is not compiled in'),
    (PARAMETER, 'gssencmode value "require" invalid when GSSAPI support is not compiled in'),
    (PARAMETER, 'unexpected spaces found in "x", use percent-encoded spaces (%20) instead'),
    (PARAMETER, '"min_protocol_version" is greater than "max_protocol_version"'),
    (PARAMETER, "can't get cancellation key"),
    (PROTOCOL, 'server only supports protocol version 3.0, but "min_protocol_version" was set'),
    (TLS, "SSL error: certificate verify failed: certificate has expired"),
    (TLS, "SSL error: certificate verify failed: self-signed certificate in certificate chain"),
    (TLS, "SSL error: certificate verify failed: unable to get local issuer certificate"),
    (TLS, "SSL error: certificate verify failed: unable to get certificate CRL"),
    (TLS, "SSL error: certificate verify failed: CRL has expired"),
    (TLS, "SSL error: certificate verify failed: certificate revoked"),
    (TLS, "SSL error: certificate verify failed"),
    (TLS, "SSL error: tlsv1 alert unknown ca"),
    (TLS, "SSL error: sslv3 alert bad certificate"),
    (TLS, "SSL error: ssl/tls alert certificate expired"),
    (TLS, "SSL error: sslv3 alert certificate revoked"),
    (TLS, "SSL error: sslv3 alert unsupported certificate"),
    (TLS, "SSL error: tlsv13 alert certificate required"),
    (TLS, "SSL error: sslv3 alert handshake failure"),
    (TLS, "SSL error: tlsv1 alert protocol version"),
    (TLS, "SSL error: tlsv1 alert no application protocol"),
    (TLS, "SSL error: unsupported protocol"),
    (TLS, "SSL error: no protocols available"),
    (TLS, "SSL error: dh key too small"),
    (TLS, "SSL error: ca md too weak"),
    (TLS, "SSL error: no ciphers available"),
    (NO_SERVER, "SSL error: wrong version number"),
    (NO_SERVER, "SSL error: http request"),
    (PASSWORD, "FATAL:  SASL authentication failed"),
    ("wants the connection to be encrypted", "FATAL:  SSL required"),
    ("does not pass on a parameter", "FATAL:  unsupported startup parameter: search_path"),
]

#: What the server says while a session starts.
REFUSALS = [
    (NO_ROLE, "no PostgreSQL user name specified in startup packet"),
    ("the database was half dropped", 'cannot connect to invalid database "app"'),
    ("does not let this role in", 'LDAP authentication failed for user "app"'),
    ("does not let this role in", '"trust" authentication failed for user "app"'),
    ("does not let this role in", 'OAuth bearer authentication failed for user "app"'),
    ("does not let this role in", 'authentication failed for user "app": host rejected'),
    ("does not let this role in", 'permission denied for database "app"'),
    (TLS, "connection requires a valid client certificate"),
    (PROTOCOL, "unsupported frontend protocol 3.1: server supports 2.0 to 3.0"),
    (SETTING, 'unrecognized configuration parameter "nowhere"'),
    (SETTING, 'invalid value for parameter "work_mem": "x"'),
    (SETTING, 'invalid value for parameter "client_encoding": "x"'),
    (SETTING, 'invalid value for parameter "replication": "x"'),
    (SETTING, "invalid command-line argument for server process: -Z"),
    (SETTING, "invalid command-line arguments for server process"),
    (SETTING, "-c work_mem requires a value"),
    (SETTING, "--foo requires a value"),
    (SETTING, 'parameter "wal_level" cannot be changed without restarting the server'),
    (SETTING, 'parameter "is_superuser" cannot be changed'),
    (SETTING, 'parameter "config_file" cannot be changed now'),
    (SETTING, 'parameter "fsync" cannot be set after connection start'),
    (SETTING, 'parameter "work_mem" requires a numeric value'),
    (SETTING, '1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)'),
    (SETTING, 'permission denied to set parameter "log_statement"'),
    (SETTING, "conversion between MULE_INTERNAL and UTF8 is not supported"),
    (SETTING, 'could not access file "nolib": No such file or directory'),
    (SETTING, "permission denied to start WAL sender"),
    (SETTING, "must be superuser or replication role to start walsender"),
    (SETTING, "unbekannter Konfigurationsparameter »x«"),
    (SETTING, "ungültiger Wert für Parameter »work_mem«: »x«"),
    (SETTING, "paramètre de configuration « x » non reconnu"),
    (SETTING, "valeur invalide pour le paramètre « work_mem » : « x »"),
    (SETTING, "parámetro de configuración «x» no reconocido"),
    (SETTING, "valor no válido para el parámetro «work_mem»: «x»"),
]

SERVER_KIND = "of the kind that target_session_attrs asks for"
ABSENT = "nothing listens there"
SILENT = "did not answer in time"
NAMELESS = "the name of the host is not known"
KERBEROS = "Kerberos gave no ticket"
UNNAMED = UNKNOWN.fact

#: libpq's own texts that may pass, or that tell of nothing a person could mend.
PASSING = {
    SILENT: ["timeout expired"],
    NAMELESS: ['could not translate host name "%s" to address: %s'],
    SERVER_KIND: [
        "session is read-only",
        "session is not read-only",
        "server is in hot standby mode",
        "server is not in hot standby mode",
    ],
    KERBEROS: [
        "GSSAPI encryption required but no credential cache",
        "GSSAPI continuation error",
        "GSSAPI name import error",
        "could not initiate GSSAPI security context",
    ],
    "the name of the user that this process runs as was not found": [
        "could not look up local user ID %d: %s",
    ],
    UNNAMED: [
        "server closed the connection unexpectedly\n",
        "could not create socket: %s",
        "could not get socket error status: %s",
        "could not receive data from server: %s",
        "could not send data to server: %s",
        "could not send startup packet: %s",
        "could not send SSL negotiation packet: %s",
        "could not send GSSAPI negotiation packet: %s",
        "could not get peer credentials: %s",
        "could not set socket to TCP no delay mode: %s",
        "could not translate Unix-domain socket path",
        "could not create SSL context: %s",
        "could not establish SSL connection: %s",
        "could not set SSL ALPN extension: %s",
        "could not set SSL Server Name Indication (SNI): %s",
        "SSL SYSCALL error: EOF detected",
        "SSL SYSCALL error: %s",
        "SSL connection has been closed unexpectedly",
        "SSL error: %s",
        "SSL error code %lu",
        "no SSL error reported",
        "server sent an error response during SSL exchange",
        "server sent an error response during GSS encryption exchange",
        "lookup on LDAP server failed: %s",
        "could not create LDAP structure",
        "fe_sendauth: error in SASL authentication\n",
        "fe_sendauth: error sending password authentication\n",
        "duplicate SASL authentication request",
        "duplicate GSS authentication request",
        "malformed SCRAM message (empty message)",
        "could not calculate client proof: %s",
        "could not verify server signature: %s",
        "could not generate nonce",
        "out of memory",
        "unexpected message from server during startup",
        "received invalid protocol negotiation message",
        "received invalid error message",
        "invalid connection state %d, probably indicative of memory corruption",
        'lost synchronization with server: got message type "%c", length %d',
        "insufficient data in",
        'message contents do not agree with length in message type "%c"',
        "write to server failed",
        "no connection to the server",
    ],
}

#: What psycopg2 before 2.9.11 does not say yet, with the libpq of PostgreSQL 16.
SINCE_17 = {
    "GSSAPI encryption required but it is not supported over a local socket",
    "GSSAPI encryption required but no credential cache",
    "SSL connection was established with unexpected ALPN protocol",
    "could not set SSL ALPN extension: %s",
    "direct SSL connection was established without ALPN protocol negotiation extension",
    'invalid "%s" value: "%s"',
    "server sent an error response during GSS encryption exchange",
    "server sent an error response during SSL exchange",
    'weak sslmode "%s" may not be used with sslnegotiation=direct (use "require"',
}

PASSING_ELSEWHERE = [
    # One text for what libpq 17 tells apart.
    (
        KERBEROS,
        (
            "GSSAPI encryption required but was impossible (possibly no credential cache, no "
            "server support, or using a local socket)"
        ),
    ),
    (ABSENT, "Connection refused\n\tIs the server running on that host?"),
    (ABSENT, "No such file or directory\n\tIs the server running locally?"),
    (SILENT, "could not receive data from server: Connection timed out"),
    (NAMELESS, 'could not translate host name "db" to address: Temporary failure in x'),
    ("is not valid yet", "SSL error: certificate verify failed: certificate is not yet valid"),
    ("is not valid yet", "SSL error: certificate verify failed: CRL is not yet valid"),
    (UNNAMED, "SSL error: tlsv1 alert internal error"),
    (UNNAMED, "could not receive data from server: Connection reset by peer"),
    (UNNAMED, "FATAL:  server login has been failing, try again later (server_login_retry)"),
    (UNNAMED, "FATAL:  pgbouncer cannot connect to server"),
]

#: What the server says that may pass.
NOT_NOW = [
    ("is starting up", "the database system is starting up"),
    ("is starting up", "the database system is not yet accepting connections"),
    ("is starting up", "the database system is shutting down"),
    ("is starting up", "the database system is in recovery mode"),
    ("is starting up", "terminating connection due to administrator command"),
    ("no connection left", "sorry, too many clients already"),
    ("no connection left", "remaining connection slots are reserved for x"),
    ("no connection left", "number of requested standby connections exceeds max_wal_senders"),
    ("takes no connections", 'database "app" is not currently accepting connections'),
    ("takes no connections", "Datenbank »app« akzeptiert gegenwärtig keine Verbindungen"),
    ("takes no connections", "la base de données « app » n'accepte plus les connexions"),
    ("takes no connections", "la base de datos «app» no acepta conexiones"),
    (UNNAMED, "canceling authentication due to timeout"),
    (UNNAMED, "out of memory"),
]


def filled(template: str) -> str:
    """A text of libpq's with something in its gaps."""
    return re.sub(r"%(%|\w*?[sdmxuc])", lambda gap: "%" if gap[1] == "%" else "7", template).strip()


def listed(texts: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(fact, filled(text)) for fact, each in texts.items() for text in each]


def error(text: str) -> Exception:
    return OperationalError(None, None, psycopg2.OperationalError(text))


def told(text: str) -> tuple[str, bool]:
    """What is said of this text, and whether it is final."""
    database = Database(normalise("postgresql://app@db/app"), "DATABASE_URL")
    problem = explain_connect_error(error(text), database)
    assert isinstance(problem, UsageError | ServerUnreachable)
    return str(problem).partition("\nThe driver says")[0], isinstance(problem, UsageError)


AT_DB = 'connection to server at "db" (10.0.0.1), port 5432 failed: '
AT_OTHER = 'connection to server at "db" (2001:db8::1), port 5432 failed: '
FATAL_ = f"{AT_DB}FATAL:  "


@pytest.mark.parametrize(
    ("fact", "text"),
    [*listed(MISTAKES), *MISTAKES_ELSEWHERE, *((f, FATAL_ + text) for f, text in REFUSALS)],
)
def test_a_mistake_is_final(fact: str, text: str) -> None:
    for each in (text, f"{AT_DB}{text}\n", f"{AT_OTHER}Connection refused\n{AT_DB}{text}\n"):
        message, final = told(each)
        assert final
        assert fact in message


@pytest.mark.parametrize(
    ("fact", "text"),
    [*listed(PASSING), *PASSING_ELSEWHERE, *((f, FATAL_ + text) for f, text in NOT_NOW)],
)
def test_what_may_pass_is_not_final(fact: str, text: str) -> None:
    message, final = told(text)
    assert not final
    assert fact in message


def shipped_libpq() -> bytes:
    folder = Path(psycopg2.__file__).parents[1] / "psycopg2_binary.libs"
    found = list(folder.glob("libpq-*"))
    if not found:
        pytest.skip("this psycopg2 comes without a libpq of its own")
    return found[0].read_bytes()


def test_the_texts_are_those_of_libpq() -> None:
    library = shipped_libpq()
    texts = {text for each in (MISTAKES, PASSING) for group in each.values() for text in group}
    later = SINCE_17 if psycopg2.__libpq_version__ < 170000 else set()
    assert {text for text in texts if text.encode() not in library} == later


# Several attempts in one text

NO_ENCRYPTION = 'FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "u", no encryption'
REFUSED = "FATAL:  password authentication failed for user"
STARTING = "FATAL:  the database system is starting up"
CUT = "server closed the connection unexpectedly"


@pytest.mark.parametrize(
    ("attempts", "final"),
    [
        # libpq goes on to another address from what may pass, so that the last one decides.
        ((AT_OTHER + "Connection refused", AT_DB + REFUSED), True),
        ((AT_OTHER + "timeout expired", AT_DB + NO_ENCRYPTION), True),
        ((AT_OTHER + "session is read-only", AT_DB + "Connection refused"), False),
        (('could not translate host name "a" to address: x', AT_DB + REFUSED), True),
        ((AT_DB + "Connection refused", 'could not translate host name "b" to address: x'), False),
        (('Unix-domain socket path "/x" is too long', AT_DB + "Connection refused"), False),
        # At one address with encryption and without.
        ((AT_DB + REFUSED, AT_DB + NO_ENCRYPTION), True),
        ((AT_DB + REFUSED, AT_DB + CUT), True),
        ((AT_DB + STARTING, AT_DB + NO_ENCRYPTION), False),
        ((AT_DB + CUT, AT_DB + NO_ENCRYPTION), False),
        ((AT_DB + NO_ENCRYPTION, AT_DB + STARTING), False),
        ((AT_DB + "could not open certificate file", AT_DB + STARTING), False),
        # Nobody asked for Kerberos.
        ((AT_DB + "could not initiate GSSAPI security context: x", AT_DB + REFUSED), True),
        ((AT_DB + 'no pg_hba.conf entry for host "h", GSSAPI encryption', AT_DB + STARTING), False),
    ],
)
def test_of_several_attempts_those_at_the_last_address_decide(
    attempts: tuple[str, ...], final: bool
) -> None:
    assert told("\n".join(attempts))[1] is final


@pytest.mark.parametrize(
    "prefix",
    [
        "Verbindung zum Server auf »db« (10.0.0.{}), Port 5432 fehlgeschlagen: ",
        "la connexion au serveur sur « db » (10.0.0.{}), port 5432 a échoué : ",
        "falló la conexión al servidor en «db» (10.0.0.{}), puerto 5432: ",
    ],
)
def test_a_libpq_in_another_language_tells_of_attempts_too(prefix: str) -> None:
    first, second = prefix.format(1), prefix.format(2)
    assert told(f"{first}Connection refused\n{second}{REFUSED}")[1]
    assert not told(f"{first}{NO_ENCRYPTION}\n{first}{STARTING}")[1]
