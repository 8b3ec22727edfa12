"""Word counts, in batches."""

import psycopg2
from psycopg2.extensions import connection


def upgrade(conn: connection) -> None:
    cur = conn.cursor()
    cur.execute("ALTER TABLE articles ADD COLUMN IF NOT EXISTS words INTEGER")
    conn.commit()

    last = 0
    while True:
        cur.execute("SELECT id, body FROM articles WHERE id > %s ORDER BY id LIMIT 10", (last,))
        batch = cur.fetchall()
        if not batch:
            break
        for last, body in batch:
            cur.execute("UPDATE articles SET words = %s WHERE id = %s", (len(body.split()), last))
        conn.commit()

    try:
        cur.execute("ALTER TABLE articles ADD CHECK (words > 1000)")
    except psycopg2.errors.CheckViolation:
        conn.rollback()  # as expected: there are short ones too

    cur.execute("INSERT INTO deploy_log (what) VALUES ('word_counts')")
    conn.commit()
    cur.close()


def downgrade(conn: connection) -> None:
    with conn, conn.cursor() as cur:
        cur.execute("ALTER TABLE articles DROP COLUMN words")
        cur.execute("DELETE FROM deploy_log WHERE what = 'word_counts'")
