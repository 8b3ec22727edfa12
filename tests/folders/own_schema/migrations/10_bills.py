"""Bills of the pilot, at the tariff of the day"""

from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session


def upgrade(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.execute(
            text("""
                CREATE TABLE bills (
                    id SERIAL PRIMARY KEY,
                    meter_id INTEGER NOT NULL REFERENCES meters,
                    euros NUMERIC(10, 2) NOT NULL
                )
            """)
        )
        cents = session.scalar(text("SELECT cents FROM tariffs WHERE kind = 'day'"))
        sums = session.execute(
            text("SELECT meter_id, sum(kwh) AS kwh FROM readings GROUP BY 1 ORDER BY 1")
        )
        for meter, kwh in sums.all():
            euros = (kwh * cents / 100).quantize(Decimal("0.01"))
            session.execute(
                text("INSERT INTO bills (meter_id, euros) VALUES (:meter, :euros)"),
                {"meter": meter, "euros": euros},
            )
        session.execute(text("INSERT INTO deploy_log (what) VALUES ('bills')"))


def downgrade(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("DROP TABLE bills"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'bills'"))
