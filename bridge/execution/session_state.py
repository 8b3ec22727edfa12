"""Put back what a migration changed for itself on its connection, before it is recorded.

Role, search_path and settings that a file leaves behind would make the record go to another
schema or fail; a connection left outside a transaction would make it go alone.

Everything a person can set is put back where it is put back at all. Whether that is needed is
asked of all settings, or, where no statement of the file gives reason to, of the foremost ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from bridge.database.connection_state import is_idle
from bridge.database.quoting import constant


@dataclass(frozen=True, slots=True)
class Baseline:
    """A connection's role and settings at the start of a run."""

    #: An expression: whether a session is as it was, except for `lock_timeout`.
    unchanged: str
    #: The settings that matter most, each with its value.
    foremost: Mapping[str, str]
    #: Whether there is anything that is not checked before a COMMIT.
    may_defer: bool
    #: The name of its user, quoted.
    user: str
    #: The name of the role that it acts as.
    current_user: str
    #: As the server shows it.
    lock_timeout: str
    #: One multi-statement text that puts everything back, so that it costs one round trip.
    statement: str
    #: The isolation level of its transactions, whether it is in autocommit or not.
    isolation_level: str
    #: The same as SQLAlchemy was told, if it was; may be AUTOCOMMIT.
    isolation_option: Any
    #: The backend that the server says it is; behind a pooler another one than the driver knows.
    backend_pid: int

    @classmethod
    def take(cls, connection: Connection) -> Baseline:
        """Remember what the connection has now; reads only."""
        now = connection.execute(text(_NOW)).one()
        user, role = constant(now.user), constant(now.role)
        unchanged = _IS_UNCHANGED.format(
            user=user, role=role, names=constant(now.names), fingerprint=now.fingerprint
        )
        values = [f"({constant(name)}, {constant(value)})" for name, value in now.settings or ()]
        statements = [
            f"SET SESSION AUTHORIZATION {user}",
            f"SET ROLE {'NONE' if now.role == 'none' else role}",
            _PUT_BACK.format(values=", ".join([*values, "(NULL, NULL)"])),
            f"SELECT {_CANNOT_WRITE}",
        ]
        return cls(
            unchanged=unchanged,
            user=user,
            current_user=str(now.user if now.role == "none" else now.role),
            foremost={name: value for name, value in now.foremost if value is not None},
            may_defer=bool(now.may_defer),
            lock_timeout=str(now.lock_timeout),
            statement="; ".join(statements),
            isolation_level=str(now.isolation_level).upper(),
            isolation_option=connection.get_execution_options().get("isolation_level"),
            backend_pid=int(now.backend_pid),
        )

    @property
    def question(self) -> str:
        """Return the SQL that asks whether anything but `lock_timeout` must be put back."""
        before = constant(self.lock_timeout)
        return (
            f"SELECT {self.unchanged}, {_CANNOT_WRITE}, "
            f"CASE WHEN pg_catalog.current_setting('lock_timeout') <> {before} "
            f"THEN pg_catalog.set_config('lock_timeout', {before}, false) END"
        )

    def still(self, *, lock_timeout: str, thorough: bool) -> str:
        """Return a SQL condition: the session is as it was, may write, and has this `lock_timeout`.

        Without being `thorough`, only what matters most is looked at, which is quicker.
        """
        if thorough:
            limit = f"pg_catalog.current_setting('lock_timeout') = {constant(lock_timeout)}"
            return f"{self.unchanged} AND {limit} AND NOT ({_CANNOT_WRITE})"
        values = {**self.foremost, "lock_timeout": lock_timeout}
        return (
            f"session_user = {self.user} AND {constant('|'.join(values.values()))} = "
            f"{_VALUES.format(names=constant('{' + ','.join(values) + '}'))}"
        )

    def restore(self, connection: Connection, *, external: bool = False) -> None:
        """Put everything back, and leave the connection inside a transaction.

        What the migration did in its open transaction stays in it. With `external` that is the
        caller's, and is never ended.
        """
        dbapi: Any = connection.connection.dbapi_connection
        if dbapi.autocommit:
            if connection.in_transaction():
                connection.rollback()
            dbapi.autocommit = False
        elif is_idle(dbapi):
            # After a COMMIT sent as text the driver still believes in the transaction that it
            # began, and would not begin another one.
            dbapi.commit()
        # A setting may hold a %, which is no parameter.
        options = {"no_parameters": True}
        unchanged, cannot_write, _ = connection.exec_driver_sql(
            self.question, execution_options=options
        ).one()
        if not unchanged:
            put_back = connection.exec_driver_sql(self.statement, execution_options=options)
            cannot_write = put_back.scalar()
        if cannot_write and not external:
            dbapi.commit()  # so that the record comes in a new one, which can

    def restore_isolation(self, connection: Connection, *, autocommit: bool) -> None:
        """Put the isolation level back, on a connection that is in no transaction."""
        dbapi: Any = connection.connection.dbapi_connection
        if connection.get_execution_options().get("isolation_level") != self.isolation_option:
            level = self.isolation_option or self.isolation_level
            connection.execution_options(isolation_level=level)
        if dbapi.autocommit != autocommit:
            dbapi.autocommit = autocommit


# SET ROLE and SET SESSION AUTHORIZATION are for the first two; a transaction has the next three.
# The name of the session shows which migration runs.
_NOT_SETTINGS = (
    "('role', 'session_authorization', 'transaction_isolation', 'transaction_read_only', "
    "'transaction_deferrable', 'seed', 'application_name')"
)

# What a record, or another file, would suffer from most; none of them may hold a secret.
_FOREMOST = (
    "role,search_path,transaction_read_only,lock_timeout,statement_timeout,"
    "idle_in_transaction_session_timeout,transaction_timeout,row_security,session_replication_role,"
    "default_transaction_isolation,default_transaction_read_only,default_tablespace,"
    "default_table_access_method,check_function_bodies,synchronous_commit,"
    "standard_conforming_strings,client_encoding,client_min_messages,TimeZone,DateStyle,"
    "IntervalStyle,bytea_output,work_mem,maintenance_work_mem"
)

# To list all settings takes half a millisecond, and longer through the view pg_settings, so after a
# migration those that are named at the start are asked for their values only, in a tenth of that.
# A limit for locks is set for the files (bridge.execution.lock_timeout), so that one always
# differs. Behind a pooler another backend may not have loaded the library that a setting belongs
# to, which is no error.
_FINGERPRINT = """
(SELECT pg_catalog.hashtextextended(
            pg_catalog.string_agg(pg_catalog.current_setting(name, true), '|') COLLATE "C", 0)
   FROM pg_catalog.unnest({names}::pg_catalog.text[]) AS name)
"""

_VALUES = """
(SELECT pg_catalog.string_agg(pg_catalog.current_setting(name, true), '|')
   FROM pg_catalog.unnest({names}::pg_catalog.text[]) AS name)
"""

_NOW = f"""
SELECT session_user AS user, current_setting('role') AS role,
       current_setting('transaction_isolation') AS isolation_level,
       current_setting('lock_timeout') AS lock_timeout,
       pg_backend_pid() AS backend_pid, settings,
       names::text AS names, {_FINGERPRINT.format(names="names")} AS fingerprint,
       ARRAY(SELECT ARRAY[name, current_setting(name, true)]
               FROM unnest(string_to_array('{_FOREMOST}', ',')) AS name) AS foremost,
       EXISTS (SELECT FROM pg_trigger WHERE tgdeferrable) AS may_defer
  FROM (SELECT array_agg(ARRAY[name, setting]) FILTER (WHERE source = 'session') AS settings,
               array_agg(name) FILTER (WHERE context IN ('user', 'superuser')
                                             AND name <> 'lock_timeout') AS names
          FROM pg_show_all_settings()
         WHERE name NOT IN {_NOT_SETTINGS}) AS known
"""  # noqa: S608 - constants

# A transaction that began while default_transaction_read_only was on stays read-only, and has
# changed nothing.
_CANNOT_WRITE = """
pg_catalog.current_setting('transaction_read_only') = 'on'
   AND pg_catalog.txid_current_if_assigned() IS NULL
"""

# Another role may be forbidden to see a setting, so the role comes first.
_IS_UNCHANGED = f"""
CASE WHEN session_user = {{user}} AND pg_catalog.current_setting('role') = {{role}}
     THEN {_FINGERPRINT.format(names="{names}")} = {{fingerprint}} ELSE false END
"""

# Only what differs is touched. RESET ALL would also forget settings of the caller's that no
# catalog lists, such as those for row security (app.tenant).
_PUT_BACK = f"""
SELECT pg_catalog.set_config(now.name, COALESCE(before.setting, now.reset_val), false)
  FROM pg_catalog.pg_settings AS now
  LEFT JOIN (VALUES {{values}}) AS before(name, setting) ON before.name = now.name
 WHERE (now.source = 'session' OR before.name IS NOT NULL) AND now.name NOT IN {_NOT_SETTINGS}
   AND now.setting IS DISTINCT FROM COALESCE(before.setting, now.reset_val)
   AND (now.context = 'user' OR pg_catalog.current_setting('is_superuser') = 'on')
"""  # noqa: S608 - a constant
