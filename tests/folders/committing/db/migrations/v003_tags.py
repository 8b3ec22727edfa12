"""Tags get a table of their own."""


def upgrade(conn):
    with conn, conn.cursor() as cur:
        cur.execute("CREATE TABLE tags (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
        cur.execute("""
            CREATE TABLE article_tags (
                article_id INTEGER REFERENCES articles ON DELETE CASCADE,
                tag_id INTEGER REFERENCES tags,
                PRIMARY KEY (article_id, tag_id)
            )
        """)
    with conn, conn.cursor() as cur:
        cur.execute("SELECT id, tags FROM articles ORDER BY id")
        ids = {}
        for article, tags in cur.fetchall():
            for tag in tags:
                if tag not in ids:
                    cur.execute("INSERT INTO tags (name) VALUES (%s) RETURNING id", (tag,))
                    ids[tag] = cur.fetchone()[0]
                cur.execute("INSERT INTO article_tags VALUES (%s, %s)", (article, ids[tag]))
        cur.execute("ALTER TABLE articles DROP COLUMN tags")
        cur.execute("INSERT INTO deploy_log (what) VALUES ('tags')")


def downgrade(conn):
    with conn, conn.cursor() as cur:
        cur.execute("ALTER TABLE articles ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}'")
        cur.execute("""
            UPDATE articles SET tags = ARRAY(
                SELECT name FROM tags JOIN article_tags ON tag_id = tags.id
                 WHERE article_id = articles.id ORDER BY tags.id
            )
        """)
        cur.execute("DROP TABLE article_tags, tags")
        cur.execute("DELETE FROM deploy_log WHERE what = 'tags'")
