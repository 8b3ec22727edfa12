from psycopg2.extensions import connection

KINDS = ["sepa", "swift", "internal"]


def up(conn: connection) -> None:
    with conn.cursor() as cursor:
        cursor.execute("CREATE TYPE transfer_kind AS ENUM %s", (tuple(KINDS),))
        cursor.execute("""
            CREATE TABLE transfers (
                id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                source VARCHAR(34) NOT NULL REFERENCES accounts,
                target VARCHAR(34) NOT NULL REFERENCES accounts,
                kind transfer_kind NOT NULL,
                cents BIGINT NOT NULL CHECK (cents > 0),
                CHECK (source <> target)
            )
        """)
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('create_transfers')")


def down(conn: connection) -> None:
    with conn.cursor() as cursor:
        cursor.execute("DROP TABLE transfers")
        cursor.execute("DROP TYPE transfer_kind")
        cursor.execute("DELETE FROM deploy_log WHERE what = 'create_transfers'")
