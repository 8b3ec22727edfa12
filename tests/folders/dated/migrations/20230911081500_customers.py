"""Customers"""


def upgrade(cursor):
    cursor.execute("""
        CREATE TABLE deploy_log (
            id SERIAL PRIMARY KEY, what TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
    """)
    cursor.execute("""
        CREATE TABLE customers (
            id UUID PRIMARY KEY,
            name TEXT NOT NULL,
            since DATE NOT NULL
        )
    """)
    cursor.execute("INSERT INTO deploy_log (what) VALUES ('customers')")


def downgrade(cursor):
    cursor.execute("DROP TABLE customers, deploy_log")
