"""The customers in the US want Fahrenheit"""

from sqlalchemy import text

from app.migrations._helpers import has_column, note


def upgrade(engine):
    if has_column(engine, "readings", "fahrenheit"):
        return

    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE readings ADD COLUMN fahrenheit DOUBLE PRECISION"))

    # Each machine in a transaction of its own, the table is big.
    with engine.connect() as conn:
        machines = conn.scalars(text("SELECT id FROM machines ORDER BY id")).all()
    for machine in machines:
        with engine.begin() as conn:
            conn.execute(
                text("UPDATE readings SET fahrenheit = celsius * 1.8 + 32 WHERE machine_id = :id"),
                {"id": machine},
            )

    with engine.begin() as conn:
        note(conn, "fahrenheit")


def downgrade(engine):
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE readings DROP COLUMN fahrenheit"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'fahrenheit'"))
