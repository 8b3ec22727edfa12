"""The columns that bridge adds to a ledger, and those that its fast path does not know."""

from __future__ import annotations

from typing import Final

#: What a ledger made by bridge has beyond the old runner's three columns, each with its type.
ADDED_COLUMNS: Final = {
    "checksum": "VARCHAR(64)",
    "execution_ms": "INTEGER",
    "breaking": "BOOLEAN",
}

#: Where other runners may say of a row that its migration did not succeed; `outcomes` knows more of
#: their names, which are rare.
OUTCOME_COLUMNS: Final = (
    *("success", "successful", "succeeded", "completed", "status", "state", "result", "outcome"),
    *("direction", "failed", "rolled_back", "rolled_back_at", "reverted", "reverted_at"),
)
