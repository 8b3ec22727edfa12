"""The columns that bridge adds to a ledger."""

from __future__ import annotations

from typing import Final

#: What a ledger made by bridge has beyond the old runner's three columns, each with its type.
ADDED_COLUMNS: Final = {
    "checksum": "VARCHAR(64)",
    "execution_ms": "INTEGER",
    "breaking": "BOOLEAN",
}
