"""Bookings: a room cannot be booked twice at once"""

from sqlalchemy import text


def upgrade(conn):
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("CREATE TYPE booking_state AS ENUM ('asked', 'confirmed')")
    conn.execute(
        text("""
            CREATE TABLE bookings (
                id BIGSERIAL PRIMARY KEY,
                room_id INTEGER NOT NULL REFERENCES rooms (id),
                during TSRANGE NOT NULL,
                state booking_state NOT NULL DEFAULT 'asked',
                note TEXT
            )
        """)
    )
    conn.execute(
        text("""
            INSERT INTO bookings (room_id, during, note)
            SELECT rooms.id, tsrange(day, day + interval '1 hour'), 'note: ' || rooms.code
              FROM rooms, generate_series(timestamp '2024-01-08 09:00',
                                          timestamp '2024-01-10 09:00', '1 day') AS day
             ORDER BY rooms.id, day
        """)
    )
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('bookings')"))


def downgrade(conn):
    conn.execute(text("DROP TABLE bookings"))
    conn.execute(text("DROP TYPE booking_state"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'bookings'"))
