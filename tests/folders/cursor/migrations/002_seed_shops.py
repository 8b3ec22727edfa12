"""The shops we began with."""

from psycopg2.extras import execute_values

SHOPS = [
    ("Bücher Meier", "https://meier.example"),
    ("100% Hardware", "https://hw.example"),
    ("L'Épicerie", "http://epicerie.example"),
]


def up(cur):
    execute_values(cur, "INSERT INTO shops (name, url) VALUES %s", SHOPS)
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("seed_shops",))


def down(cur):
    for name, _ in SHOPS:
        cur.execute("DELETE FROM shops WHERE name = %s", (name,))
    cur.execute("DELETE FROM deploy_log WHERE what = 'seed_shops'")
