"""
Migration: Create users
"""

description = "Create users"


def upgrade(db):
    from sqlalchemy import text

    db.execute(
        text("""
            CREATE TABLE deploy_log (
                id SERIAL PRIMARY KEY,
                what TEXT NOT NULL,
                at TIMESTAMPTZ NOT NULL DEFAULT now()
            )
        """)
    )
    db.execute(
        text("""
            CREATE TABLE users (
                id SERIAL PRIMARY KEY,
                email VARCHAR(255) NOT NULL UNIQUE,
                name VARCHAR(255),
                created_at TIMESTAMP NOT NULL DEFAULT now()
            )
        """)
    )
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('create_users')"))
    db.commit()


def downgrade(db):
    from sqlalchemy import text

    db.execute(text("DROP TABLE users"))
    db.execute(text("DROP TABLE deploy_log"))
    db.commit()
