"""Patients, out of the notes of bookings"""

import json
import re

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError


def upgrade(conn: Connection) -> None:
    if not inspect(conn).has_table("patients"):
        conn.execute(
            text("""
                CREATE TABLE patients (
                    id SERIAL PRIMARY KEY,
                    code VARCHAR(10) NOT NULL UNIQUE,
                    details JSONB NOT NULL DEFAULT '{}'
                )
            """)
        )
    skipped = 0
    for booking in conn.execute(text("SELECT id, note FROM bookings ORDER BY id")).mappings().all():
        code = re.sub(r"^note: ", "", booking["note"])
        try:
            with conn.begin_nested():
                conn.execute(
                    text("INSERT INTO patients (code, details) VALUES (:code, :details)"),
                    {"code": code, "details": json.dumps({"from": booking["id"], "a:b": "c"})},
                )
        except IntegrityError:
            skipped += 1
    print(f"{skipped} notes named the same patient again")
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('patients')"))


def downgrade(conn: Connection) -> None:
    conn.execute(text("DROP TABLE patients"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'patients'"))
