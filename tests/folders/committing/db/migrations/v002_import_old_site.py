"""The articles of the site before this one."""


def articles():
    for number in range(1, 26):
        tags = [
            tag for tag, every in (("news", 1), ("sport", 3), ("local", 5)) if number % every == 0
        ]
        yield f"old-{number:02d}", f"Text no. {number}, 50% shorter.\n", tags


def upgrade(conn):
    cur = conn.cursor()
    for count, (slug, body, tags) in enumerate(articles(), start=1):
        cur.execute(
            "INSERT INTO articles (slug, body, tags) VALUES (%s, %s, %s)", (slug, body, tags)
        )
        if count % 10 == 0:
            conn.commit()
    cur.execute("INSERT INTO deploy_log (what) VALUES ('import_old_site')")
    conn.commit()


def downgrade(conn):
    with conn, conn.cursor() as cur:
        cur.execute("DELETE FROM articles WHERE slug LIKE 'old-%'")
        cur.execute("DELETE FROM deploy_log WHERE what = 'import_old_site'")
