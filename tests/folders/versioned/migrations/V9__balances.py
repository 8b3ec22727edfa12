"""V5 to V8 were in a branch that was given up."""

from psycopg2.extras import RealDictCursor


def up(conn):
    with conn.cursor(cursor_factory=RealDictCursor) as cursor:
        cursor.execute("""
            CREATE TABLE balances (
                iban VARCHAR(34) PRIMARY KEY REFERENCES accounts,
                cents BIGINT NOT NULL
            )
        """)
        balances = {}
        cursor.execute("SELECT * FROM transfers ORDER BY id")
        for transfer in cursor.fetchall():
            for iban, cents in (
                (transfer["source"], -transfer["cents"]),
                (transfer["target"], transfer["cents"]),
            ):
                balances[iban] = balances.get(iban, 0) + cents
        for iban, cents in sorted(balances.items()):
            cursor.execute("INSERT INTO balances VALUES (%s, %s)", (iban, cents))
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('balances')")


def down(conn):
    with conn.cursor() as cursor:
        cursor.execute("DROP TABLE balances")
        cursor.execute("DELETE FROM deploy_log WHERE what = 'balances'")
