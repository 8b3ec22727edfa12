"""The first buyer, for the acceptance tests"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    buyer = db.execute(
        text("INSERT INTO buyers (email) VALUES ('First@example.com') RETURNING id")
    ).scalar_one()
    db.execute(text("ALTER TABLE tickets ADD COLUMN buyer_id INT REFERENCES buyers"))
    db.execute(
        text("UPDATE tickets SET state = 'sold', buyer_id = :buyer WHERE event_id = 1"),
        {"buyer": buyer},
    )
    note(db, "first_buyer")
    db.commit()
