"""Codes for the tickets, a few at a time"""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations import batches
from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FILL = """
    UPDATE tickets SET code = upper(substr(md5(id::text), 1, 8))
     WHERE id IN (SELECT id FROM tickets WHERE code IS NULL ORDER BY id LIMIT :size)
"""


def upgrade(db: "Session") -> None:
    print(batches.run(db, FILL, size=4), "codes")
    note(db, "ticket_codes")
    db.commit()
