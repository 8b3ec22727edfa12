"""The two tables that the settings name."""

from __future__ import annotations

from bridge.config.settings import Settings
from bridge.ledger.keys import Form
from bridge.ledger.tables import Ledger


def ledger_of(settings: Settings) -> Ledger:
    """The bookkeeping tables that these settings name."""
    return Ledger(
        settings.ledger_table,
        settings.version_table,
        settings.version_table_schema,
        settings.ledger_key,
        Form(settings.ledger_key_form) if settings.ledger_key_form else None,
        settings.ledger_is_named,
    )
