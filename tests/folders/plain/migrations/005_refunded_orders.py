"""Orders can be refunded."""

from sqlalchemy import text

description = "Add the status refunded"


def upgrade(db):
    db.execute(text("ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'refunded'"))
    db.commit()  # a new value cannot be used before
    db.execute(
        text("""
            UPDATE orders SET status = 'refunded'
             WHERE user_id IN (SELECT id FROM users WHERE email LIKE 'nobody@%')
        """)
    )
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('refunded_orders')"))
    db.commit()
