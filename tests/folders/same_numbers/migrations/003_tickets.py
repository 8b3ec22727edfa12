"""Tickets: one for each of the first seats"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    db.execute(text("CREATE TYPE ticket_state AS ENUM ('free', 'sold')"))
    db.execute(
        text("""
            CREATE TABLE tickets (
                id BIGSERIAL PRIMARY KEY,
                event_id INT NOT NULL REFERENCES events,
                seat INT NOT NULL,
                state ticket_state NOT NULL DEFAULT 'free',
                code TEXT
            )
        """)
    )
    for (event,) in db.execute(text("SELECT id FROM events ORDER BY id")).all():
        seats = [{"event": event, "seat": seat} for seat in range(1, 6)]
        db.execute(text("INSERT INTO tickets (event_id, seat) VALUES (:event, :seat)"), seats)
    note(db, "tickets")
