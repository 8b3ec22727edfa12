"""Meters and readings"""

from sqlalchemy import text

TABLES = [
    """CREATE TABLE deploy_log (
           id SERIAL PRIMARY KEY, what TEXT NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())""",
    """CREATE TABLE meters (
           id SERIAL PRIMARY KEY,
           serial TEXT NOT NULL UNIQUE,
           installed DATE NOT NULL)""",
    """CREATE TABLE readings (
           meter_id INTEGER NOT NULL REFERENCES meters,
           day DATE NOT NULL,
           kwh NUMERIC(9, 3) NOT NULL,
           PRIMARY KEY (meter_id, day))""",
]


def upgrade(engine):
    with engine.begin() as conn:
        for table in TABLES:
            conn.execute(text(table))
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('meters')"))
