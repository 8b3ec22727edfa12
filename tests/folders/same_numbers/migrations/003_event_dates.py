"""Events have a date"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations.helpers import column_exists, note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    if not column_exists(db, "events", "day"):
        db.execute(text("ALTER TABLE events ADD COLUMN day DATE"))
    db.execute(text("UPDATE events SET day = DATE '2024-06-01' + id"))
    note(db, "event_dates")
    db.commit()
