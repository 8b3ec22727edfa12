"""
Migration: Create orders
Orders with a status, and their items.
"""

from sqlalchemy import text

description = "Create orders and order items"


def upgrade(db):
    db.execute(text("CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped')"))
    db.execute(
        text("""
            CREATE TABLE orders (
                id SERIAL PRIMARY KEY,
                user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
                status order_status NOT NULL DEFAULT 'new'
            )
        """)
    )
    db.execute(
        text("""
            CREATE TABLE order_items (
                id SERIAL PRIMARY KEY,
                order_id INTEGER NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
                sku VARCHAR(40) NOT NULL,
                quantity INTEGER NOT NULL CHECK (quantity > 0),
                price NUMERIC(10, 2) NOT NULL
            )
        """)
    )
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('create_orders')"))
    db.commit()


def downgrade(db):
    db.execute(text("DROP TABLE order_items"))
    db.execute(text("DROP TABLE orders"))
    db.execute(text("DROP TYPE order_status"))
    db.execute(text("DELETE FROM deploy_log WHERE what = 'create_orders'"))
    db.commit()
