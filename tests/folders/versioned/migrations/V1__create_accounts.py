def up(conn):
    with conn.cursor() as cursor:
        cursor.execute("""
            CREATE TABLE deploy_log (
                id SERIAL PRIMARY KEY, what TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now()
            )
        """)
        cursor.execute("""
            CREATE TABLE accounts (
                iban VARCHAR(34) PRIMARY KEY,
                owner TEXT NOT NULL,
                opened_on DATE NOT NULL DEFAULT DATE '2020-01-01'
            )
        """)
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('create_accounts')")


def down(conn):
    with conn.cursor() as cursor:
        cursor.execute("DROP TABLE accounts, deploy_log")
