"""Name what tells an Engine, a Connection or a cursor from a Session: words for `argument_use`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

#: What a function expects: of SQLAlchemy an Engine or a Connection, of the driver a connection or
#: a cursor; "unknown" where it is only certain that it is no Session.
Kind = Literal["engine", "connection", "driver", "cursor", "unknown"]

#: Every name that a Session has; a test holds this against SQLAlchemy's own.
SESSION_NAMES: Final = frozenset({
    "add", "add_all", "autobegin", "autoflush", "begin", "begin_nested", "bind", "bind_mapper",
    "bind_table", "binds", "bulk_insert_mappings", "bulk_save_objects", "bulk_update_mappings",
    "close", "close_all", "commit", "connection", "connection_callable", "delete", "delete_all",
    "deleted", "dirty", "dispatch", "enable_baked_queries", "enable_relationship_loading",
    "execute", "execution_options", "expire", "expire_all", "expire_on_commit", "expunge",
    "expunge_all", "flush", "get", "get_bind", "get_nested_transaction", "get_one",
    "get_transaction", "hash_key", "identity_key", "identity_map", "in_nested_transaction",
    "in_transaction", "info", "invalidate", "is_active", "is_modified", "join_transaction_mode",
    "merge", "merge_all", "new", "no_autoflush", "object_session", "prepare", "query", "refresh",
    "reset", "rollback", "scalar", "scalars", "twophase",
})  # fmt: skip

#: Names that a Session does not have, and what has them.
ATTRIBUTES: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("connect", "raw_connection", "dispose", "pool", "url"), "engine"),
    **dict.fromkeys(
        ("exec_driver_sql", "begin_twophase", "dialect", "get_isolation_level", "detach"),
        "connection",
    ),
    **dict.fromkeys(
        ("cursor", "autocommit", "set_session", "set_isolation_level", "notices", "closed"),
        "driver",
    ),
    **dict.fromkeys(
        ("fetchone", "fetchall", "fetchmany", "executemany", "callproc", "mogrify", "copy_expert",
         "copy_from", "copy_to", "copy", "rowcount", "nextset", "statusmessage"),
        "cursor",
    ),
}  # fmt: skip

#: Functions whose first argument is no Session, and what it is. A team's own helper may be called
#: `create_all` too, so the pattern says whose function it is.
FUNCTIONS: Final[Sequence[tuple[re.Pattern[str], Kind]]] = (
    (re.compile(r"(\w+\.)*(Session|sessionmaker)"), "engine"),
    (
        re.compile(r"(.*\.)?metadata(\(.*\))?\.(create_all|drop_all|reflect)", re.IGNORECASE),
        "connection",
    ),
    (re.compile(r"((sa|sqlalchemy)\.)?inspect"), "connection"),
    (re.compile(r"(\w+\.)*MigrationContext\.configure"), "connection"),
    (re.compile(r"(\w+\.)*(execute_values|execute_batch)"), "cursor"),
)
#: Keywords by which every function takes a Connection or an Engine.
BIND_KEYWORDS: Final = frozenset({"bind", "autoload_with"})

#: Classes by their names, whatever module they are of.
CLASSES: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("Engine", "AsyncEngine"), "engine"),
    **dict.fromkeys(("Connection", "AsyncConnection"), "connection"),
    "connection": "driver",
    **dict.fromkeys(
        ("cursor", "Cursor", "AsyncCursor", "DictCursor", "RealDictCursor", "NamedTupleCursor"),
        "cursor",
    ),
}

#: Names of a parameter that nobody gives to a Session.
PARAMETERS: Final[Mapping[str, Kind]] = {"engine": "engine", "cur": "cursor", "cursor": "cursor"}
