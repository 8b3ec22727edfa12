"""
Migration: Split names
`name` becomes `first_name` and `last_name`; all but the last word is the first name.
"""

from sqlalchemy import text

description = (
    "Split the names of users into first and last name; "
    "all but the last word of a name is the first name"
)


def split(name):
    if not name:
        return None, None
    *first, last = name.split()
    return (" ".join(first), last) if first else (last, None)


def upgrade(db):
    db.execute(text("ALTER TABLE users ADD COLUMN first_name TEXT, ADD COLUMN last_name TEXT"))
    for user in db.execute(text("SELECT id, name FROM users ORDER BY id")).fetchall():
        first, last = split(user.name)
        db.execute(
            text("UPDATE users SET first_name = :first, last_name = :last WHERE id = :id"),
            {"first": first, "last": last, "id": user.id},
        )
    db.execute(text("ALTER TABLE users DROP COLUMN name"))
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('split_user_names')"))
    db.commit()


def downgrade(db):
    db.execute(text("ALTER TABLE users ADD COLUMN name VARCHAR(255)"))
    db.execute(text("UPDATE users SET name = concat_ws(' ', first_name, last_name)"))
    db.execute(text("ALTER TABLE users DROP COLUMN first_name, DROP COLUMN last_name"))
    db.execute(text("DELETE FROM deploy_log WHERE what = 'split_user_names'"))
    db.commit()
