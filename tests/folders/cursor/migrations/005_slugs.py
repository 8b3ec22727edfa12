"""Slugs for the addresses of product pages."""

import re
import unicodedata


def slugify(title):
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def up(cur):
    cur.execute("ALTER TABLE products ADD COLUMN slug TEXT")
    cur.execute("SELECT id, title FROM products ORDER BY id")
    for product_id, title in cur.fetchall():
        cur.execute("UPDATE products SET slug = %s WHERE id = %s", (slugify(title), product_id))
    cur.execute("ALTER TABLE products ALTER COLUMN slug SET NOT NULL")
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("slugs",))


def down(cur):
    cur.execute("ALTER TABLE products DROP COLUMN slug")
    cur.execute("DELETE FROM deploy_log WHERE what = 'slugs'")
