from itertools import permutations

from psycopg2.extras import execute_batch


def up(conn):
    with conn.cursor() as cursor:
        cursor.execute("SELECT iban FROM accounts ORDER BY iban")
        ibans = [iban for (iban,) in cursor]
        rows = [
            (source, target, "sepa" if number % 2 else "swift", 1000 * number)
            for number, (source, target) in enumerate(permutations(ibans, 2), start=1)
        ]
        execute_batch(
            cursor,
            "INSERT INTO transfers (source, target, kind, cents) VALUES (%s, %s, %s, %s)",
            rows,
        )
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('demo_transfers')")


def down(conn):
    with conn.cursor() as cursor:
        cursor.execute("TRUNCATE transfers")
        cursor.execute("DELETE FROM deploy_log WHERE what = 'demo_transfers'")
