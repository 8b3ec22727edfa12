"""Seed the demo shop that sales shows to customers."""

from sqlalchemy import text

description = "Seed the demo shop"

USERS = [
    {"email": "ada@example.org", "name": "Ada Lovelace"},
    {"email": "grace@example.org", "name": "Grace Brewster Hopper"},
    {"email": "cher@example.org", "name": "Cher"},
    {"email": "nobody@example.org", "name": None},
]


def upgrade(db):
    db.execute(text("INSERT INTO users (email, name) VALUES (:email, :name)"), USERS)
    users = db.execute(text("SELECT id, email FROM users ORDER BY id")).all()
    for count, user in enumerate(users, start=1):
        order_id = db.execute(
            text("INSERT INTO orders (user_id, status) VALUES (:user, 'paid') RETURNING id"),
            {"user": user.id},
        ).scalar_one()
        for line in range(count):
            db.execute(
                text(
                    "INSERT INTO order_items (order_id, sku, quantity, price)"
                    " VALUES (:order, :sku, :quantity, :price)"
                ),
                {"order": order_id, "sku": f"SKU-{line}", "quantity": line + 1, "price": "9.90"},
            )
    db.execute(text("INSERT INTO deploy_log (what) VALUES ('seed_demo_shop')"))
