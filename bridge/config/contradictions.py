"""Refuse settings that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import UsageError

if TYPE_CHECKING:
    from bridge.config.settings import Settings


def refuse_contradictions(settings: Settings) -> None:
    """Raise UsageError if two settings cannot both be meant."""
    if settings.upgrade_function == settings.downgrade_function:
        raise UsageError(
            f"upgrade_function and downgrade_function are both {settings.upgrade_function!r}; "
            "they must be two functions."
        )
    if settings.targets is not None and settings.targets_query is not None:
        raise UsageError("targets and targets_query both list the targets; keep one of them.")
    if settings.ledger_table == settings.version_table:
        raise UsageError(
            f"ledger_table and version_table are both {settings.ledger_table!r}; they must be two "
            "tables: one has a row for each migration, the other has Alembic's pointer."
        )
