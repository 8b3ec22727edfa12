"""
Migration: Order totals
Filled in batches, so that nobody has to wait for the shop.
"""

from sqlalchemy import text

description = "Add and fill orders.total"

BATCH = 3


def upgrade(db):
    db.execute(text("ALTER TABLE orders ADD COLUMN IF NOT EXISTS total NUMERIC(12, 2)"))
    db.commit()
    while True:
        result = db.execute(
            text("""
                UPDATE orders SET total = (
                    SELECT coalesce(sum(quantity * price), 0) FROM order_items
                     WHERE order_id = orders.id
                )
                 WHERE id IN (SELECT id FROM orders WHERE total IS NULL ORDER BY id LIMIT :batch)
            """),
            {"batch": BATCH},
        )
        db.commit()
        if result.rowcount == 0:
            break
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('backfill_order_totals')"))
    db.commit()


def downgrade(db):
    db.execute(text("ALTER TABLE orders DROP COLUMN total"))
    db.execute(text("DELETE FROM deploy_log WHERE what = 'backfill_order_totals'"))
    db.commit()
