"""Tickets can be closed"""

from sqlalchemy import Connection, text


def upgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE tickets ADD COLUMN closed BOOLEAN NOT NULL DEFAULT false"))
    closed = conn.execute(text("UPDATE tickets SET closed = true WHERE priority = 'low'"))
    conn.execute(text("CREATE INDEX tickets_open ON tickets (customer_id) WHERE NOT closed"))
    conn.execute(
        text("INSERT INTO deploy_log (what) SELECT :what WHERE :closed > 0"),
        {"what": "close_tickets", "closed": closed.rowcount},
    )


def downgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE tickets DROP COLUMN closed"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'close_tickets'"))
