"""Leave the ledger and the version table out of a comparison with the models.

They are in nobody's models, so autogenerate would drop them; and in a project that does have a
model of the ledger, it would drop the columns that bridge adds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from sqlalchemy import Connection, text

from bridge.config.settings import Settings

#: What Alembic takes as the option ``include_object``.
IncludeObject = Callable[[Any, Any, Any, bool, Any], bool]


def without_ledger(
    connection: Connection,
    include_object: IncludeObject | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
) -> IncludeObject:
    """Return an ``include_object`` for a comparison that does not go through an ``env.py``.

    It leaves both of bridge's tables out, under the names in the configuration, and asks the given
    `include_object` about the rest::

        options = {"include_object": bridge.without_ledger(connection)}
        context = MigrationContext.configure(connection, opts=options)
        differences = alembic.autogenerate.compare_metadata(context, metadata)

    `config` is found as by the commands. Raises UsageError if there is no configuration, or
    something in it is wrong.
    """
    return without_records(Settings.load(config), connection, include_object)


def without_records(
    settings: Settings, connection: Connection, own: IncludeObject | None
) -> IncludeObject:
    """Return an ``include_object`` that leaves both tables out, and asks `own` about the rest."""
    names = {settings.ledger_table, settings.version_table}
    default_schema = connection.dialect.default_schema_name
    schema = settings.version_table_schema or default_schema

    @cache
    def search_path() -> Collection[str]:
        found = connection.scalar(text("SELECT CAST(current_schemas(false) AS text[])"))
        return frozenset(found or ())

    def is_ours(found_in: str | None) -> bool:
        if found_in is not None:
            return found_in == schema
        # Alembic has no schema for what it finds without one, in whichever of the search_path.
        return schema == default_schema or schema in search_path()

    def include_object(
        obj: Any,
        name: Any,
        kind: Any,
        reflected: bool,  # noqa: FBT001 - Alembic's signature
        compare_to: Any,
    ) -> bool:
        if kind == "table" and name in names and is_ours(getattr(obj, "schema", None)):
            return False
        return own is None or own(obj, name, kind, reflected, compare_to)

    return include_object
