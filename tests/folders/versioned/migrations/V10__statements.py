def up(conn):
    with conn.cursor() as cursor:
        cursor.execute("""
            CREATE VIEW statements AS
            SELECT iban, owner, round(coalesce(cents, 0) / 100.0, 2) AS balance
              FROM accounts LEFT JOIN balances USING (iban)
        """)
        cursor.execute("""
            CREATE TABLE archive AS SELECT iban, balance FROM statements ORDER BY iban
        """)
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('statements')")


def down(conn):
    with conn.cursor() as cursor:
        cursor.execute("DROP TABLE archive")
        cursor.execute("DROP VIEW statements")
        cursor.execute("DELETE FROM deploy_log WHERE what = 'statements'")
