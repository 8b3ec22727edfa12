"""
Migration: Write First Note
An empty list looks like an error.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

description = "Write a first note"


def upgrade(db: Session) -> None:
    """Greet whoever looks."""
    db.execute(text("INSERT INTO notes (body) VALUES (:body)"), {"body": "Hello."})
    db.commit()
