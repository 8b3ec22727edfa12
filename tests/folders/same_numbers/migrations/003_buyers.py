"""Buyers"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations.helpers import note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    db.execute(text("CREATE TABLE buyers (id SERIAL PRIMARY KEY, email TEXT NOT NULL)"))
    db.execute(text("CREATE UNIQUE INDEX buyers_email ON buyers (lower(email))"))
    note(db, "buyers")
    db.commit()
