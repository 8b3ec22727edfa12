"""Index readings by machine"""

from sqlalchemy import inspect, text


def upgrade(engine=None):
    if engine is None:  # python -c "..." on the old server
        from app.database import get_engine

        engine = get_engine()

    indexes = {index["name"] for index in inspect(engine).get_indexes("readings")}
    with engine.begin() as conn:
        if "ix_readings_machine_id" not in indexes:
            conn.execute(text("CREATE INDEX ix_readings_machine_id ON readings (machine_id)"))
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('index_readings')"))


def downgrade(engine=None):
    with engine.begin() as conn:
        conn.execute(text("DROP INDEX ix_readings_machine_id"))
        conn.execute(text("DELETE FROM deploy_log WHERE what = 'index_readings'"))
