"""Give each order a number that a person can read out on the phone."""

from sqlalchemy import text

from app.models import Order

description = "Number the orders"


def upgrade(db):
    db.execute(text("ALTER TABLE orders ADD COLUMN number VARCHAR(20)"))
    for order in db.query(Order).order_by(Order.id):
        initial = (order.user.last_name or order.user.first_name or "x")[0].upper()
        order.number = f"{initial}-{order.id:05d}"
    db.flush()
    db.execute(text("ALTER TABLE orders ADD CONSTRAINT uq_orders_number UNIQUE (number)"))
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('number_orders')"))


def downgrade(db):
    db.execute(text("ALTER TABLE orders DROP COLUMN number"))
    db.execute(text("DELETE FROM deploy_log WHERE what = 'number_orders'"))
    db.commit()
