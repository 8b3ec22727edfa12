"""Rooms, as facility management has sent them"""

import csv
from pathlib import Path

from sqlalchemy import text

from db.migrations._tables import doctors, rooms


def upgrade(conn):
    with Path(__file__).with_name("rooms.csv").open() as file:
        conn.execute(rooms.insert(), list(csv.DictReader(file)))
    first = conn.execute(rooms.select().order_by(rooms.c.id)).first()
    conn.execute(
        doctors.insert(),
        [{"name": "Dr. Nguyễn", "room_id": first.id}, {"name": "Dr. O'Neill", "room_id": None}],
    )
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('seed_rooms')"))


def downgrade(conn):
    conn.execute(doctors.delete())
    conn.execute(rooms.delete())
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'seed_rooms'"))
