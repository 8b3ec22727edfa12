"""Events"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations._seed import EVENTS
from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    db.execute(
        text("""
            CREATE TABLE events (
                id SERIAL PRIMARY KEY,
                venue_id INT NOT NULL REFERENCES venues,
                title TEXT NOT NULL
            )
        """)
    )
    venues = dict(db.execute(text("SELECT name, id FROM venues")).all())
    for venue, title in EVENTS:
        db.execute(
            text("INSERT INTO events (venue_id, title) VALUES (:venue, :title)"),
            {"venue": venues[venue], "title": title},
        )
    note(db, "events")
    db.commit()
