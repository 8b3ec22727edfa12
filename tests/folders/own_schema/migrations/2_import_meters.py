"""Meters of the pilot"""

from datetime import date, timedelta

from sqlalchemy import text


def upgrade(engine):
    with engine.begin() as conn:
        for number in range(3):
            meter = conn.execute(
                text("INSERT INTO meters (serial, installed) VALUES (:s, :d) RETURNING id"),
                {"s": f"PILOT-{number}", "d": date(2023, 12, 24)},
            ).scalar_one()
            conn.execute(
                text("INSERT INTO readings VALUES (:meter, :day, :kwh)"),
                [
                    {
                        "meter": meter,
                        "day": date(2024, 1, 1) + timedelta(days=day),
                        "kwh": 10 + number + day / 4,
                    }
                    for day in range(5)
                ],
            )
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('import_meters')"))
