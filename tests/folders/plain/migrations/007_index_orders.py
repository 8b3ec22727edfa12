"""Indexes for the list of orders in the back office."""

from sqlalchemy import text

description = "Index orders"

INDEXES = {
    "ix_orders_user_id": "orders (user_id)",
    "ix_orders_open": "orders (id) WHERE status IN ('new', 'paid')",
    "ix_order_items_order_id": "order_items (order_id)",
}


def upgrade(db):
    for name, on in INDEXES.items():
        db.execute(text(f"CREATE INDEX {name} ON {on}"))
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('index_orders')"))
    db.commit()


def downgrade(db):
    for name in INDEXES:
        db.execute(text(f"DROP INDEX {name}"))
    db.execute(text("DELETE FROM deploy_log WHERE what = 'index_orders'"))
    db.commit()
