"""Customers of the old desk"""

import uuid

NAMES = ["Acme", "Globex", "Initech", "Umbrella; DROP TABLE customers"]


def upgrade(cursor):
    for number, name in enumerate(NAMES):
        key = uuid.uuid5(uuid.NAMESPACE_DNS, name)
        cursor.execute(
            "INSERT INTO customers VALUES (%s, %s, DATE '2023-01-01' + %s)",
            (str(key), name, number),
        )
    cursor.execute("INSERT INTO deploy_log (what) VALUES ('first_customers')")


def downgrade(cursor):
    cursor.execute("DELETE FROM customers WHERE name = ANY(%s)", (NAMES,))
    cursor.execute("DELETE FROM deploy_log WHERE what = 'first_customers'")
