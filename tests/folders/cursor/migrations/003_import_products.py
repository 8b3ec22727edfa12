"""First import of the catalogue, with COPY because it is fast."""

import io

from psycopg2.extensions import cursor

CATALOGUE = """\
4006381333931\tTextmarker "Boss"\t129
4002432102631\tHeftklammern 24/6\t199
9783161484100\tEin Buch\t2450
0012345678905\tSchraube, 100% Stahl\t\\N
"""


def up(cur: cursor) -> None:
    cur.copy_expert("COPY products (ean, title, price_cents) FROM STDIN", io.StringIO(CATALOGUE))
    assert cur.rowcount == 4, cur.rowcount
    cur.execute("INSERT INTO deploy_log (what) VALUES (%s)", ("import_products",))


def down(cur: cursor) -> None:
    cur.execute("TRUNCATE products")
    cur.execute("DELETE FROM deploy_log WHERE what = 'import_products'")
