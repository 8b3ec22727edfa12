"""The two bookkeeping tables of one application, by their names.

Having a row in the ledger always means that the migration is applied. What is asked of the tables
and written into them is in `bridge.ledger.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.database.quoting import quote
from bridge.ledger.keys import Form

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.config.target import Target
    from bridge.ledger.state import State


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger, `schema_migrations`, and the version table, `alembic_version`."""

    table: str = "schema_migrations"
    version_table: str = "alembic_version"
    schema: str | None = None
    #: The column for the names of migrations, and their form; None to recognise them.
    key: str | None = None
    form: Form | None = None
    #: The column of the words after the number, where both together are the name; recognised only.
    words_key: str | None = None
    #: Whether the settings name this table, so that no other is to be looked for.
    is_named: bool = False
    #: The target in whose schema both are; None for the database as a whole.
    target: Target | None = None

    @classmethod
    def of(cls, settings: Settings) -> Ledger:
        """The tables that these settings name."""
        return cls(
            settings.ledger_table,
            settings.version_table,
            settings.version_table_schema,
            settings.ledger_key,
            Form(settings.ledger_key_form) if settings.ledger_key_form else None,
            is_named=settings.ledger_is_named,
            target=settings.target,
        )

    def keyed_by(self, state: State) -> Ledger:
        """The same tables, with the columns of names that were recognised."""
        if state.key_column is None:
            return self
        return replace(self, key=state.key_column, words_key=state.words_column)

    @property
    def name(self) -> str:
        """The ledger's name as SQL has it, quoted only where that is needed."""
        return self._name(self.table)

    @property
    def version_name(self) -> str:
        """The version table's name as SQL has it."""
        return self._name(self.version_table)

    def _name(self, table: str) -> str:
        return f"{quote(self.schema)}.{quote(table)}" if self.schema else quote(table)
