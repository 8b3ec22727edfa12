"""Ticket numbers, per customer"""

from itertools import count

from sqlalchemy import Connection, text


def upgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE tickets ADD COLUMN number TEXT"))
    counters = {}
    rows = conn.execute(
        text("""
            SELECT tickets.id, upper(left(name, 3)) AS prefix
              FROM tickets JOIN customers ON customers.id = customer_id
             ORDER BY tickets.id
        """)
    )
    for row in rows.mappings().all():
        number = next(counters.setdefault(row["prefix"], count(1)))
        conn.execute(
            text("UPDATE tickets SET number = :number WHERE id = :id"),
            {"number": f"{row['prefix']}-{number}", "id": row["id"]},
        )
    conn.execute(text("ALTER TABLE tickets ALTER COLUMN number SET NOT NULL"))
    conn.execute(text("INSERT INTO deploy_log (what) VALUES ('ticket_numbers')"))


def downgrade(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE tickets DROP COLUMN number"))
    conn.execute(text("DELETE FROM deploy_log WHERE what = 'ticket_numbers'"))
