"""Alarms have a level"""

from sqlalchemy import text
from sqlalchemy.engine import Engine

from app.migrations._helpers import note

LEVELS = ("info", "warning", "critical")


def upgrade(engine: Engine) -> None:
    values = ", ".join(f"'{level}'" for level in LEVELS)
    with engine.begin() as conn:
        conn.execute(text(f"CREATE TYPE alarm_level AS ENUM ({values})"))
        conn.execute(text("ALTER TABLE alarms ADD COLUMN level alarm_level"))
        conn.execute(text("UPDATE alarms SET level = 'info'"))
        conn.execute(text("ALTER TABLE alarms ALTER COLUMN level SET NOT NULL"))
        note(conn, "alarm_level")


def downgrade(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE alarms DROP COLUMN level"))
        conn.execute(text("DROP TYPE alarm_level"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'alarm_level'"))
