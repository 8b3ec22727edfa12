"""Products without a price are not for sale."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extras import DictCursor


def up(cur: DictCursor):
    cur.execute("ALTER TABLE products ADD COLUMN for_sale BOOLEAN NOT NULL DEFAULT true")
    cur.execute("SELECT id FROM products WHERE price_cents IS NULL")
    ids = [row[0] for row in cur]
    if ids:
        cur.execute("UPDATE products SET for_sale = false WHERE id = ANY(%s)", (ids,))
    print(cur.rowcount, "products are not for sale")
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("fix_missing_prices",))


def down(cur: DictCursor):
    pass
