"""Initial tables, as the models are"""

from sqlalchemy import text
from sqlmodel import Session, SQLModel

from app.models import Player, Team


def upgrade(session: Session) -> None:
    session.exec(
        text(
            "CREATE TABLE deploy_log (id SERIAL PRIMARY KEY, what TEXT NOT NULL,"
            " at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
    )
    SQLModel.metadata.create_all(session.connection(), tables=[Team.__table__, Player.__table__])
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('initial')"))
    session.commit()
