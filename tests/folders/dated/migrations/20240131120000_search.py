"""Search in subjects"""

from sqlalchemy import Connection, text


def upgrade(conn: Connection) -> None:
    conn.execute(
        text(r"""
            ALTER TABLE tickets ADD COLUMN search tsvector
            GENERATED ALWAYS AS (to_tsvector('simple', subject)) STORED
        """)
    )
    conn.execute(text("CREATE INDEX tickets_search ON tickets USING gin (search)"))
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('search')"))


def downgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE tickets DROP COLUMN search"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'search'"))
