"""Tariffs; numbers 4 to 8 belong to the billing team"""

from sqlalchemy import text
from sqlalchemy.engine import Engine


def upgrade(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("CREATE TYPE tariff_kind AS ENUM ('day', 'night')"))
        conn.execute(
            text("""
                CREATE TABLE tariffs (
                    kind tariff_kind PRIMARY KEY,
                    cents NUMERIC(6, 2) NOT NULL
                )
            """)
        )
    with engine.connect() as conn:
        conn.execute(text("INSERT INTO tariffs VALUES ('day', 31.5), ('night', 24)"))
        conn.commit()
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('tariffs')"))


def downgrade(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("DROP TABLE tariffs"))
        conn.execute(text("DROP TYPE tariff_kind"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'tariffs'"))
