"""Readers, with a state that can grow."""


def upgrade(conn):
    cur = conn.cursor()
    cur.execute("CREATE TYPE reader_state AS ENUM ('invited', 'active')")
    cur.execute("""
        CREATE TABLE readers (
            id SERIAL PRIMARY KEY,
            email TEXT NOT NULL,
            state reader_state NOT NULL DEFAULT 'invited'
        )
    """)
    cur.execute("CREATE UNIQUE INDEX readers_email ON readers (lower(email))")
    for name in ("Zoë", "ali", "BOB"):
        cur.execute("INSERT INTO readers (email) VALUES (%s)", (f"{name}@example.net",))
    cur.execute("INSERT INTO deploy_log (what) VALUES ('readers')")


def downgrade(conn):
    cur = conn.cursor()
    cur.execute("DROP TABLE readers")
    cur.execute("DROP TYPE reader_state")
    cur.execute("DELETE FROM deploy_log WHERE what = 'readers'")
