import psycopg2.extensions

INDEXES = {"transfers_source": "source, id", "transfers_target": "target, id"}


def up(conn: psycopg2.extensions.connection) -> None:
    with conn.cursor() as cursor:
        for name, columns in INDEXES.items():
            cursor.execute(f"CREATE INDEX {name} ON transfers ({columns})")
        cursor.execute("INSERT INTO deploy_log (what) VALUES ('index_transfers')")


def down(conn: psycopg2.extensions.connection) -> None:
    with conn.cursor() as cursor:
        for name in INDEXES:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute("DELETE FROM deploy_log WHERE what = 'index_transfers'")
