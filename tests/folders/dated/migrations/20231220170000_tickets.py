"""Tickets"""


def upgrade(cursor):
    cursor.execute("CREATE TYPE priority AS ENUM ('low', 'normal', 'high')")
    cursor.execute("""
        CREATE TABLE tickets (
            id SERIAL PRIMARY KEY,
            customer_id UUID NOT NULL REFERENCES customers,
            priority priority NOT NULL DEFAULT 'normal',
            subject TEXT NOT NULL
        )
    """)
    cursor.execute("SELECT id, name FROM customers ORDER BY name")
    for customer, name in cursor.fetchall():
        priority = "high" if name.startswith("Umb") else "low"
        cursor.execute(
            "INSERT INTO tickets (customer_id, priority, subject) VALUES (%s, %s, %s)",
            (customer, priority, f"{name}: 100% down"),
        )
    cursor.execute("INSERT INTO deploy_log (what) VALUES ('tickets')")


def downgrade(cursor):
    cursor.execute("DROP TABLE tickets")
    cursor.execute("DROP TYPE priority")
    cursor.execute("DELETE FROM deploy_log WHERE what = 'tickets'")
