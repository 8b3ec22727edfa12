"""Indexes on tickets"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    db.execute(text("CREATE UNIQUE INDEX tickets_code ON tickets (code)"))
    db.execute(text("CREATE INDEX tickets_free ON tickets (event_id) WHERE state = 'free'"))
    note(db, "index_tickets")
    db.commit()
