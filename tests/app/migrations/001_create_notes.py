"""
Migration: Create Notes
The one table of the example application.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

description = "Create the table notes"


def upgrade(db: Session) -> None:
    """Create it empty."""
    db.execute(
        text("""
            CREATE TABLE notes (
                id   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                body TEXT NOT NULL
            )
        """)
    )
    db.commit()
