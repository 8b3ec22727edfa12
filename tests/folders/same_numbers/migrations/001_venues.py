"""Venues"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from migrations._seed import VENUES
from migrations.helpers import note, table_exists

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def upgrade(db: "Session") -> None:
    if not table_exists(db, "deploy_log"):
        db.execute(
            text(
                "CREATE TABLE deploy_log (id SERIAL PRIMARY KEY, what TEXT NOT NULL,"
                " at TIMESTAMPTZ NOT NULL DEFAULT now())"
            )
        )
    db.execute(text("CREATE TABLE venues (id SERIAL PRIMARY KEY, name TEXT UNIQUE, seats INT)"))
    for name, seats in VENUES:
        db.execute(
            text("INSERT INTO venues (name, seats) VALUES (:n, :s)"), {"n": name, "s": seats}
        )
    note(db, "venues")
