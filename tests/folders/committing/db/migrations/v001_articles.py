SCHEMA = """
CREATE TABLE deploy_log (
    id SERIAL PRIMARY KEY, what TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE articles (
    id SERIAL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    tags TEXT[] NOT NULL DEFAULT '{}'
);
"""


def upgrade(conn):
    cur = conn.cursor()
    cur.execute(SCHEMA)
    cur.execute("INSERT INTO deploy_log (what) VALUES ('articles')")
    conn.commit()


def downgrade(conn):
    cur = conn.cursor()
    cur.execute("DROP TABLE articles, deploy_log")
    conn.commit()
