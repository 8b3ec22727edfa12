"""Bookings can be cancelled"""

from sqlalchemy import text
from sqlalchemy.engine import Connection


def upgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TYPE booking_state ADD VALUE 'cancelled'"))
    conn.commit()
    conn.execute(
        text("UPDATE bookings SET state = 'cancelled' WHERE lower(during) > :day"),
        {"day": "2024-01-10"},
    )
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('cancelled_bookings')"))


def downgrade(conn: Connection) -> None:
    raise NotImplementedError("PostgreSQL cannot take a value out of an enum")
