"""Alarms

One for each machine that has been warm.
"""

from sqlalchemy import text
from sqlalchemy.engine import Engine

from app.migrations._helpers import note
from app.models import Alarm


def upgrade(engine: Engine) -> None:
    Alarm.__table__.create(bind=engine, checkfirst=True)
    with engine.connect() as conn:
        warm = conn.execute(
            text("SELECT machine_id, max(celsius) AS top FROM readings GROUP BY 1 ORDER BY 1")
        ).all()
        for machine, top in warm:
            if top > 21:
                conn.execute(
                    text("INSERT INTO alarms (machine_id, text) VALUES (:machine, :text)"),
                    {"machine": machine, "text": f"{top} °C"},
                )
        note(conn, "alarms")
        conn.commit()


def downgrade(engine: Engine) -> None:
    Alarm.__table__.drop(bind=engine)
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'alarms'"))
