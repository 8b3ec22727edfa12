def up(cur):
    cur.execute("CREATE INDEX price_history_product ON price_history (product_id, changed_at)")
    cur.execute("CREATE UNIQUE INDEX products_slug ON products (slug) WHERE for_sale")
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("index_price_history",))


def down(cur):
    cur.execute("DROP INDEX price_history_product")
    cur.execute("DROP INDEX products_slug")
    cur.execute("DELETE FROM deploy_log WHERE what = 'index_price_history'")
