"""
Migration: Add Created At
Notes are listed with the newest first.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

description = "Remember when a note was written"


def upgrade(db: Session) -> None:
    """Give the notes that are there the time of this migration."""
    db.execute(text("ALTER TABLE notes ADD COLUMN created_at TIMESTAMPTZ NOT NULL DEFAULT now()"))
    db.execute(text("CREATE INDEX notes_created_at ON notes (created_at DESC)"))
    db.commit()
