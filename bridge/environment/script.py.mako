"""
Migration: ${docstring}
"""
% if generated:

${imports}
% endif

description = ${description}


def upgrade(db):
    """Apply this migration."""
% if generated:
    ${upgrades}
% else:
    from sqlalchemy import text

    db.execute(text("SELECT 1"))  # your SQL in place of this
    db.commit()
% endif


def downgrade(db):
    """Undo what upgrade() did."""
% if generated:
    ${downgrades}
% else:
    from sqlalchemy import text

    db.execute(text("SELECT 1"))  # your SQL, or remove downgrade()
    db.commit()
% endif
