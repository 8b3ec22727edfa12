"""Find players by name"""

from sqlalchemy import text
from sqlmodel import Session


def upgrade(session: Session) -> None:
    session.exec(text("CREATE INDEX player_name ON player (lower(name))"))
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('index_players')"))
    session.commit()


def downgrade(session: Session) -> None:
    session.exec(text("DROP INDEX player_name"))
    session.exec(text("DELETE FROM deploy_log WHERE what = 'index_players'"))
    session.commit()
