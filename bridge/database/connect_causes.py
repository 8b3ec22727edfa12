"""The causes of a failed connection: what libpq or the server says, and what it means.

Those that no waiting mends, and those that may pass. The texts are those of libpq 16 to 18, and
of the server while a session starts; what servers say is known in the languages they often speak.
"""

from __future__ import annotations

from dataclasses import dataclass


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
_TLS = (
    "Check sslmode, sslrootcert, sslcert, sslkey and sslcrl in the URL, the variables that begin"
    " with PGSSL, and the files they name."
)
#: How advice ends that is about a server which may answer later.
RUN_AGAIN = "Run again, or let it wait with --wait-for-server 60."

#: What no waiting mends. An answer that fits two of them is of the first kind.
FINAL = (
    Cause(
        r"password authentication failed|SASL authentication failed"
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
        r"local user with ID .* does not exist"
        r"|lokaler Benutzer mit ID .* existiert nicht"
        r"|l'utilisateur local dont l'identifiant est .* n'existe pas"
        r"|no existe un usuario local con ID"
        r"|no PostgreSQL user name specified",
        "no role is named, and the user that this process runs as has no name",
        "Write the role into the URL: postgresql://role:password@host:5432/database",
    ),
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
        r"cannot connect to invalid database",
        "the database was half dropped",
        "Drop it, and create it again with createdb.",
    ),
    Cause(
        r"connection is insecure|SSL connection is required|SSL required",
        "the server wants the connection to be encrypted",
        "Add ?sslmode=require to the URL.",
    ),
    Cause(
        r"authentication method requirement|require_auth method"
        r"|channel binding|channel-binding|SCRAM-SHA-256-PLUS"
        r"|server (did not request|accepted connection without) an? (valid )?SSL certificate"
        r"|requirepeer|AuthenticationSASLFinal received"
        r"|could not determine server certificate signature|could not find digest for NID"
        r"|could not generate peer certificate hash",
        "the server does not authenticate in the way that was asked for",
        "Check require_auth, channel_binding, sslcertmode and requirepeer in the URL, and the"
        " variables PGREQUIREAUTH, PGCHANNELBINDING, PGSSLCERTMODE and PGREQUIREPEER.",
    ),
    Cause(
        r"authentication method \d+ not supported|authentication not supported"
        r"|none of the server's SASL authentication mechanisms are supported"
        r"|error received from server in SCRAM exchange|incorrect server signature"
        r"|no client response found after SASL exchange|nonce mismatch"
        r"|server rejected OAuth bearer token|no OAuth flows are available"
        r"|server requires OAuth authentication|OAuth discovery URI|server's discovery document",
        "the server and this client do not agree about how the role is authenticated",
        "Check the server's pg_hba.conf, and the version of libpq (psycopg2.__libpq_version__).",
    ),
    Cause(
        r"pg_hba\.conf",
        "the server does not admit this host, role and database",
        "Check them, and sslmode if the URL has one; or have a line added to the server's"
        " pg_hba.conf.",
    ),
    Cause(
        r"not permitted to log in|permission denied for database"
        r"|(peer|ident|gssapi|sspi|ldap|pam|radius|certificate|scram|bsd|trust|bearer)\W*"
        r" authentication failed|authentication failed for user"
        r"|tenant or user not found",
        "the server does not let this role in",
        "Check the role, its right to LOGIN and CONNECT, and how the server authenticates it.",
        "28000",
    ),
    Cause(
        r"GSSAPI encryption required but it is not supported"
        r"|server doesn't support GSSAPI encryption",
        "GSSAPI encryption was asked for, but is not available there",
        "Check gssencmode in the URL, and the variable PGGSSENCMODE.",
    ),
    Cause(
        r"does not support SSL|weak sslmode|invalid sslmode"
        r"|(sslmode|sslnegotiation) value .* invalid when SSL support is not compiled in"
        r"|certificate verify failed(?!: (certificate|CRL) is not yet valid)"
        r"|does not match host name|host name must be specified"
        r"|certificate file|private key file|private SSL key|SSL engine"
        r"|home directory to locate root certificate|system root certificate paths"
        r"|certificate present, but not|certificate could not be obtained"
        r"|SSL certificate's|server's host name from server certificate"
        r"|could not convert certificate's IP|certificate contains IP address"
        r"|requires a valid client certificate"
        r"|SSL protocol version|ALPN protocol|received unencrypted data after"
        r"|alert (bad|unsupported|no) certificate|alert certificate (expired|revoked|unknown|req)"
        r"|alert (unknown ca|access denied|handshake failure|protocol version|decrypt error)"
        r"|alert (insufficient security|unrecognized name|no application protocol)"
        r"|alert illegal parameter"
        r"|SSL error: (unsupported protocol|no protocols available|legacy sigalg|no suitable)"
        r"|SSL error: (\w+ )*(key|md) too (small|weak)|no shared cipher|no ciphers? (match|avail)",
        "the server and this client do not agree about encryption",
        _TLS,
    ),
    Cause(
        r"expected authentication request|invalid response to (SSL|GSSAPI) negotiation"
        r"|SSL error: (wrong version number|http request|packet length too long)"
        r"|unexpected SSL record|received invalid authentication request",
        "what answers there is not a PostgreSQL server",
        "Check the host and the port.",
    ),
    Cause(
        r"protocol version not supported by server|protocol extensions? not supported by server"
        r"|unsupported frontend protocol|server only supports protocol version",
        "the server does not speak the protocol of this client",
        "Check the versions of the server and of libpq (psycopg2.__libpq_version__), and whether"
        " it is a PostgreSQL server.",
    ),
    Cause(
        r"unsupported startup parameter",
        "the pooler does not pass on a parameter of the URL",
        "Remove it there, or set MIGRATION_DATABASE_URL to the address of the server itself.",
    ),
    Cause(
        r"definition of service|service file|invalid LDAP URL"
        r"|(no|more than one) entry found on LDAP lookup|no values on LDAP lookup",
        "the service that names the database cannot be used",
        "Check service in the URL, the variables PGSERVICE and PGSERVICEFILE, and the file.",
    ),
    Cause(
        r"unrecognized configuration parameter|invalid value for parameter"
        r"|unbekannter Konfigurationsparameter|ungültiger Wert für Parameter"
        r"|paramètre de configuration .* non reconnu|valeur invalide pour le paramètre"
        r"|parámetro de configuración .* no reconocido|valor no válido para el parámetro"
        r"|invalid command-line arguments? for server process"
        r"|ungültiges Kommandozeilenargument für Serverprozess"
        r"|argument invalide en ligne de commande pour le processus serveur"
        r"|argumentos de línea de órdenes no válidos para proceso servidor"
        r"|FATAL:  (-c |--)\S+ requires a value"
        r"|parameter \".*\" (cannot be (changed|set)|requires a)"
        r"|permission denied to set parameter|outside the valid range for parameter"
        r"|conversion between \S+ and \S+ is not supported"
        r"|could not (access file|load library)|access to library .* is not allowed"
        r"|permission denied to start WAL sender|superuser or replication role to start"
        r"|invalid startup packet layout",
        "the server refuses a setting with which the session would start",
        "Check options, client_encoding and replication in the URL, the variables PGOPTIONS,"
        " PGCLIENTENCODING, PGTZ, PGDATESTYLE and PGGEQO, and what ALTER ROLE … SET and ALTER"
        " DATABASE … SET have set.",
    ),
    Cause(
        r"invalid connection option|invalid dsn|invalid port"
        r"|invalid integer value|invalid .* value: "
        r"|value .* invalid when .* support is not compiled in"
        r"|could not match .* (port numbers|hostaddr values)"
        r"|could not parse network address|Unix-domain socket path .* is too long"
        r'|".*" is greater than ".*"'
        r"|unexpected spaces found in"
        r"|connection info string| in URI\b|URI query parameter|percent-encoded"
        # psycopg2 says so of a number among the keepalives that is none.
        r"|can't get cancellation key",
        "a parameter of the URL is not one that can be used",
        "Check what follows the question mark in the URL, and the variables that begin with PG.",
    ),
)

#: What may pass. An answer that fits two of them is of the first kind.
TRANSIENT = (
    Cause(
        r"query_wait_timeout",
        "the pooler had no connection to the server left",
        f"Close some, or raise its default_pool_size. {RUN_AGAIN}",
    ),
    Cause(
        r"too many connections for role",
        "this role has all the connections that it may have",
        f"Close some, or raise its limit (ALTER ROLE … CONNECTION LIMIT …). {RUN_AGAIN}",
    ),
    Cause(
        r"too many connections for database",
        "this database has all the connections that it may have",
        f"Close some, or raise its limit (ALTER DATABASE … CONNECTION LIMIT …). {RUN_AGAIN}",
    ),
    Cause(
        r"too many clients|too many connections|connection slots are reserved"
        r"|no more connections allowed|max_wal_senders",
        "the server has no connection left",
        f"Close some, or raise max_connections. {RUN_AGAIN}",
        "53300",
    ),
    Cause(
        r"session is (not )?read-only|server is (not )?in hot standby mode",
        "no server there is of the kind that target_session_attrs asks for",
        f"Check the hosts, and whether one of them has been promoted. {RUN_AGAIN}",
    ),
    Cause(
        r"database .* is not currently accepting connections"
        r"|Datenbank .* akzeptiert gegenwärtig keine Verbindungen"
        r"|la base de données .* n'accepte plus les connexions"
        r"|la base de datos .* no acepta conexiones",
        "the database takes no connections at the moment",
        f"Allow them again (ALTER DATABASE … ALLOW_CONNECTIONS true). {RUN_AGAIN}",
    ),
    Cause(
        r"starting up|shutting down|in recovery mode|not yet accepting connections"
        r"|not accepting connections|hot standby mode"
        r"|terminating connection due to administrator command",
        "the server is starting up or shutting down",
        RUN_AGAIN,
        "57P03",
    ),
    Cause(
        r"could not translate host name|name or service not known|name resolution",
        "the name of the host is not known",
        f"Check the host, and the network's DNS. {RUN_AGAIN}",
    ),
    Cause(
        r"is not yet valid",
        "the certificate of the server is not valid yet",
        f"Check the clocks of the server and of this machine. {RUN_AGAIN}",
    ),
    Cause(
        r"no credential cache|GSSAPI (continuation|name import|wrap|unwrap) error"
        r"|could not initiate GSSAPI security context",
        "Kerberos gave no ticket for that server",
        f"Check with klist, and get one with kinit. {RUN_AGAIN}",
    ),
    Cause(
        r"could not look up local user ID",
        "no role is named, and the name of the user that this process runs as was not found",
        f"Write the role into the URL: postgresql://role:password@host:5432/database. {RUN_AGAIN}",
    ),
    Cause(
        r"connection refused|no such file or directory",
        "nothing listens there",
        f"Check that the server runs, and the host and the port. {RUN_AGAIN}",
    ),
    Cause(
        r"timeout expired|timed out",
        "the server did not answer in time",
        f"Check the host, the port, and the firewalls between. {RUN_AGAIN}",
    ),
)

UNKNOWN = Cause(
    "", "the connection failed", f"Check the server, the host and the port. {RUN_AGAIN}"
)
