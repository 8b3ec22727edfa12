"""What the template makes of the message "add widgets"."""

from __future__ import annotations

WIDGETS = '''\
"""
Migration: add widgets
"""

description = "add widgets"


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    db.execute(text("your SQL"))
    db.commit()


def downgrade(db):
    """Undo what upgrade() did."""
    from sqlalchemy import text

    db.execute(text("your SQL"))  # or remove downgrade()
    db.commit()
'''
