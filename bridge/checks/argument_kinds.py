"""Name what tells a Session, a Connection, an Engine, a driver's connection and a cursor apart.

Words for `argument_use`. A test holds the lists of names against the classes themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.files.conventions import Argument

#: Every public name that each of them has.
NAMES: Final[Mapping[Argument, frozenset[str]]] = {
    Argument.SESSION: frozenset({
        "add", "add_all", "autobegin", "autoflush", "begin", "begin_nested", "bind", "bind_mapper",
        "bind_table", "binds", "bulk_insert_mappings", "bulk_save_objects", "bulk_update_mappings",
        "close", "close_all", "commit", "connection", "connection_callable", "delete",
        "delete_all", "deleted", "dirty", "dispatch", "enable_baked_queries",
        "enable_relationship_loading", "execute", "execution_options", "expire", "expire_all",
        "expire_on_commit", "expunge", "expunge_all", "flush", "get", "get_bind",
        "get_nested_transaction", "get_one", "get_transaction", "hash_key", "identity_key",
        "identity_map", "in_nested_transaction", "in_transaction", "info", "invalidate",
        "is_active", "is_modified", "join_transaction_mode", "merge", "merge_all", "new",
        "no_autoflush", "object_session", "prepare", "query", "refresh", "reset", "rollback",
        "scalar", "scalars", "twophase",
    }),
    Argument.CONNECTION: frozenset({
        "begin", "begin_nested", "begin_twophase", "close", "closed", "commit", "commit_prepared",
        "connection", "default_isolation_level", "detach", "dialect", "dispatch", "engine",
        "exec_driver_sql", "execute", "execution_options", "get_execution_options",
        "get_isolation_level", "get_nested_transaction", "get_transaction",
        "in_nested_transaction", "in_transaction", "info", "invalidate", "invalidated",
        "recover_twophase", "rollback", "rollback_prepared", "scalar", "scalars",
        "schema_for_object", "should_close_with_result",
    }),
    Argument.ENGINE: frozenset({
        "begin", "clear_compiled_cache", "connect", "dialect", "dispatch", "dispose", "driver",
        "echo", "engine", "execution_options", "get_execution_options", "hide_parameters",
        "logger", "logging_name", "name", "pool", "raw_connection", "update_execution_options",
        "url",
    }),
    Argument.DBAPI: frozenset({
        "DataError", "DatabaseError", "Error", "IntegrityError", "InterfaceError", "InternalError",
        "NotSupportedError", "OperationalError", "ProgrammingError", "Warning", "async", "async_",
        "autocommit", "binary_types", "cancel", "close", "closed", "commit", "cursor",
        "cursor_factory", "deferrable", "dsn", "encoding", "fileno", "get_backend_pid",
        "get_dsn_parameters", "get_native_connection", "get_parameter_status",
        "get_transaction_status", "info", "isexecuting", "isolation_level", "lobject", "notices",
        "notifies", "pgconn_ptr", "poll", "protocol_version", "readonly", "reset", "rollback",
        "server_version", "set_client_encoding", "set_isolation_level", "set_session", "status",
        "string_types", "tpc_begin", "tpc_commit", "tpc_prepare", "tpc_recover", "tpc_rollback",
        "xid",
    }),
    Argument.CURSOR: frozenset({
        "arraysize", "binary_types", "callproc", "cast", "close", "closed", "connection",
        "copy_expert", "copy_from", "copy_to", "description", "execute", "executemany",
        "fetchall", "fetchmany", "fetchone", "itersize", "lastrowid", "mogrify", "name", "nextset",
        "pgresult_ptr", "query", "row_factory", "rowcount", "rownumber", "scroll", "scrollable",
        "setinputsizes", "setoutputsize", "statusmessage", "string_types", "typecaster",
        "tzinfo_factory", "withhold",
    }),
}  # fmt: skip

#: Names that more than one of them has, and which is most likely meant.
_LIKELY: Final[Mapping[str, Argument]] = {
    "autocommit": Argument.DBAPI,
    "closed": Argument.DBAPI,
    "copy": Argument.CURSOR,
    "dialect": Argument.CONNECTION,
}

#: Functions whose first argument they choose, and what it is. A team's own helper may be called
#: `create_all` too, so the pattern says whose function it is.
FUNCTIONS: Final[Sequence[tuple[re.Pattern[str], Argument]]] = (
    (re.compile(r"(\w+\.)*(Session|sessionmaker)"), Argument.ENGINE),
    (
        re.compile(r"(.*\.)?metadata(\(.*\))?\.(create_all|drop_all|reflect)", re.IGNORECASE),
        Argument.CONNECTION,
    ),
    (re.compile(r"((sa|sqlalchemy)\.)?inspect"), Argument.CONNECTION),
    (re.compile(r"(\w+\.)*MigrationContext\.configure"), Argument.CONNECTION),
    (re.compile(r"(\w+\.)*(execute_values|execute_batch)"), Argument.CURSOR),
)
#: Keywords by which every function takes a Connection or an Engine.
BIND_KEYWORDS: Final = frozenset({"bind", "autoload_with"})
#: Where one of these is wanted, the other does.
BINDS: Final = frozenset({Argument.CONNECTION, Argument.ENGINE})

#: Names of a parameter that nobody gives to a Session.
PARAMETERS: Final[Mapping[str, Argument]] = {
    "engine": Argument.ENGINE,
    "cur": Argument.CURSOR,
    "cursor": Argument.CURSOR,
}


def owner_of(name: str) -> Argument | None:
    """Return what has an attribute of this name; the most likely of several."""
    return _LIKELY.get(name) or next((kind for kind in Argument if name in NAMES[kind]), None)
