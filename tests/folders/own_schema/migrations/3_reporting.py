"""Sums for the reports, in a schema of their own"""

from sqlalchemy import text


def upgrade(engine):
    with engine.begin() as conn:
        conn.execute(text("CREATE SCHEMA reporting"))
        conn.execute(
            text("""
                CREATE MATERIALIZED VIEW reporting.per_meter AS
                SELECT serial, count(*) AS days, sum(kwh) AS kwh
                  FROM public.meters JOIN public.readings ON meter_id = id
                 GROUP BY serial
            """)
        )
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('reporting')"))


def downgrade(engine):
    with engine.begin() as conn:
        conn.execute(text("DROP SCHEMA reporting CASCADE"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'reporting'"))
