"""Say which settings there are beside the folder, and how each is read from a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.config import values
from bridge.files.conventions import Argument, Order
from bridge.files.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.config.sources import Found

#: How each setting is read that may come from anywhere; the options have the fields' names.
PARSERS: Final[dict[str, Callable[[Found], object]]] = {
    "transaction": values.one_of(*Mode),
    "argument": lambda found: Argument(values.one_of(*Argument)(found)),
    "upgrade_function": values.function,
    "downgrade_function": values.function,
    "order": lambda found: Order(values.one_of(*Order)(found)),
    "out_of_order": values.one_of("run", "refuse"),
    "drift": values.one_of("warn", "refuse"),
    "ledger_table": values.name,
    "ledger_key": values.column,
    "ledger_key_form": values.one_of("stem", "file", "number", "path"),
    "version_table": values.name,
    "version_table_schema": values.name,
    "targets": values.object_name,
    "targets_query": values.text,
    "targets_search_path": values.target_search_path,
    "executor": values.text,
    "target_metadata": values.object_name,
    "template": values.path,
    "schema_file": values.path,
    "env_file": values.path,
    "scratch_url": values.text,
    "session_autoflush": values.yes_or_no,
    "embedded": values.yes_or_no,
    "wait_for_lock": values.seconds,
    "pooler": values.one_of("auto", "yes", "no"),
    "wait_for_server": values.seconds,
    "ddl_lock_timeout": values.seconds,
    "ddl_lock_tries": values.tries,
    "startup": values.one_of("upgrade", "check", "off"),
    "log_format": values.one_of("text", "json"),
    "lint_exclude": values.words,
    "show_parameters": values.yes_or_no,
}

#: The same, and the folder, which is ``version_locations`` to Alembic and in a file.
SETTABLE: Final = frozenset({"folder", *PARSERS})

#: What may stand in a configuration file.
IN_A_FILE: Final = frozenset({*PARSERS, "version_locations", "prepend_sys_path", "sqlalchemy.url"})
