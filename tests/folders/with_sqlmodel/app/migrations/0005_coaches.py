"""A team can have a coach, who is a player too"""

from sqlalchemy import text
from sqlmodel import Session as DbSession

from app.models import Team


def upgrade(session: DbSession) -> None:
    session.exec(text("ALTER TYPE role ADD VALUE IF NOT EXISTS 'coach'"))
    session.commit()
    session.exec(
        text("INSERT INTO player (name, role, team_id) VALUES ('Fay', 'coach', :team)"),
        params={"team": session.get(Team, 1).id},
    )
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('coaches')"))


def downgrade(session: DbSession) -> None:
    session.exec(text("DELETE FROM player WHERE role = 'coach'"))
    session.exec(text("DELETE FROM deploy_log WHERE what = 'coaches'"))
