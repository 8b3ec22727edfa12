"""Bills by meter; and refresh the reports"""

from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine


def upgrade(engine: Engine) -> None:
    missing = "bills_meter" not in {index["name"] for index in inspect(engine).get_indexes("bills")}
    with engine.begin() as conn:
        if missing:
            conn.execute(text("CREATE INDEX bills_meter ON bills (meter_id)"))
        conn.execute(text("REFRESH MATERIALIZED VIEW reporting.per_meter"))
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('index_bills')"))


def downgrade(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("DROP INDEX bills_meter"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'index_bills'"))
