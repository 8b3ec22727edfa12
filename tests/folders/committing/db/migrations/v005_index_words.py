"""Without a lock on the table, or the site stands still."""

import psycopg2.extensions


def upgrade(conn: "psycopg2.extensions.connection"):
    conn.commit()
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS articles_words ON articles (words)")
        cur.execute("INSERT INTO deploy_log (what) VALUES ('index_words')")
    conn.autocommit = False


def downgrade(conn: "psycopg2.extensions.connection"):
    with conn, conn.cursor() as cur:
        cur.execute("DROP INDEX articles_words")
        cur.execute("DELETE FROM deploy_log WHERE what = 'index_words'")
