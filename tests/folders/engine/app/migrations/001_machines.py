"""Machines, and what they measure"""

from sqlalchemy import text

from app.models import Base, Machine, Reading


def upgrade(engine):
    with engine.begin() as conn:
        conn.execute(
            text(
                "CREATE TABLE deploy_log (id SERIAL PRIMARY KEY, what TEXT NOT NULL,"
                " at TIMESTAMPTZ NOT NULL DEFAULT now())"
            )
        )
    Base.metadata.create_all(bind=engine, tables=[Machine.__table__, Reading.__table__])
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO deploy_log (what) VALUES ('machines')"))


def downgrade(engine):
    Base.metadata.drop_all(bind=engine, tables=[Reading.__table__, Machine.__table__])
    with engine.begin() as conn:
        conn.execute(text("DROP TABLE deploy_log"))
