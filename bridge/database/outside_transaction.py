"""Recognise the statements that PostgreSQL refuses inside a transaction block, by their words.

They are those that its source keeps out with PreventInTransactionBlock. What depends on the
database is not known here: PostgreSQL also refuses CLUSTER and REINDEX of a partitioned table.
"""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r'(?:"(?:[^"]|"")+"|\w+)'
#: What PostgreSQL takes for "no" as the value of an option.
_NO: Final = r"'?(?:false|off|0)\b"
_OPTIONS: Final = r"(?:\([^)]*\)\s*)?"
_ALTERS: Final = rf"ALTER\s+SUBSCRIPTION\s+{_NAME}\s+"

_REFUSED: Final = re.compile(
    "|".join(
        (
            r"(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX)\s+CONCURRENTLY\b",
            rf"REINDEX\s*\([^)]*\bCONCURRENTLY\b(?!\s+{_NO})[^)]*\)",
            rf"REINDEX\s*{_OPTIONS}(?:INDEX|TABLE)\s+CONCURRENTLY\b",
            rf"REINDEX\s*{_OPTIONS}(?:SCHEMA|DATABASE|SYSTEM)\b",
            # Without the name of a table it clusters all of them, one after the other.
            r"CLUSTER(?:\s+VERBOSE|\s*\([^)]*\))?\s*$",
            r"ALTER\s+TABLE\b[^;]*\bDETACH\s+PARTITION\b[^;]*\bCONCURRENTLY\b",
            r"VACUUM\b",
            r"ALTER\s+SYSTEM\b",
            r"(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE)\b",
            rf"ALTER\s+DATABASE\s+{_NAME}\s+SET\s+TABLESPACE\b",
            r"DISCARD\s+ALL\b",
            r"(?:COMMIT|ROLLBACK)\s+PREPARED\b",
            # These make, change or drop something on another server, and cannot be rolled back.
            rf"CREATE\s+SUBSCRIPTION\b(?!.*\bWITH\s*\([^)]*\b(?:connect|create_slot)\s*=\s*{_NO})",
            r"DROP\s+SUBSCRIPTION\b",
            rf"{_ALTERS}REFRESH\s+PUBLICATION\b",
            rf"{_ALTERS}(?:SET|ADD|DROP)\s+PUBLICATION\b(?!.*\bWITH\s*\([^)]*\brefresh\s*=\s*{_NO})",
            rf"{_ALTERS}SET\s*\([^)]*(?:\bfailover\b|\btwo_phase\s*=\s*{_NO})[^)]*\)",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_GIVES_UP_SLOT: Final = re.compile(
    rf"{_ALTERS}SET\s*\([^)]*\bslot_name\s*=\s*NONE\b", re.IGNORECASE
)
_DROPS_SUBSCRIPTION: Final = re.compile(r"DROP\s+SUBSCRIPTION\b", re.IGNORECASE)


def refused_in_transaction(statement: str) -> str | None:
    """Return the words for which PostgreSQL refuses this statement; None if it does not.

    The statement is one of `sql_text.pieces`: a single one, without comments before it.
    """
    match = _REFUSED.match(statement)
    return " ".join(match[0].split()) if match else None


def gives_up_slot(statement: str) -> bool:
    """Return whether a subscription has no slot afterwards, so that it can be dropped anywhere."""
    return _GIVES_UP_SLOT.match(statement) is not None


def drops_subscription(statement: str) -> bool:
    """Return whether it is refused only as long as the subscription has a slot."""
    return _DROPS_SUBSCRIPTION.match(statement) is not None
