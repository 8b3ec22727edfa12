"""Rooms and doctors"""

from sqlalchemy import text

from db.migrations._tables import metadata


def upgrade(conn):
    conn.execute(
        text(
            "CREATE TABLE deploy_log (id SERIAL PRIMARY KEY, what TEXT NOT NULL,"
            " at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
    )
    metadata.create_all(conn)
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('rooms_and_doctors')"))


def downgrade(conn):
    metadata.drop_all(conn)
    conn.execute(text("DROP TABLE deploy_log"))
