"""
Migration: ${docstring}
"""

description = ${description}
% if autocommit:

# CREATE INDEX CONCURRENTLY cannot run in a transaction. What ran before a failure stays.
transaction = "autocommit"
% endif


def upgrade(db):
    """Apply this migration."""
    from sqlalchemy import text

    ${upgrades or 'db.execute(text("your SQL"))'}
    db.commit()


def downgrade(db):
    """Undo what upgrade() did."""
    from sqlalchemy import text

    ${downgrades or 'db.execute(text("your SQL"))  # or remove downgrade()'}
    db.commit()
