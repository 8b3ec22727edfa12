"""Comparing a column's default where Alembic's own comparison cannot: it has an apostrophe in it.

Alembic writes the models' default between quotes as it is, and the server sees a syntax error.
"""

from __future__ import annotations

from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import literal, literal_column, select


def compare_defaults(ctx: MigrationContext) -> None:
    """Make this one context compare such defaults as well."""
    original: Any = ctx.impl.compare_server_default

    def compare(inspected: Any, metadata: Any, wanted: str | None, found: str | None) -> bool:
        told = getattr(metadata.server_default, "arg", None)
        if found and isinstance(told, str) and "'" in told and ctx.connection is not None:
            same = select(literal_column(found) == literal(told))
            return not ctx.connection.scalar(same)
        return bool(original(inspected, metadata, wanted, found))

    ctx.impl.compare_server_default = compare  # type: ignore[method-assign]
