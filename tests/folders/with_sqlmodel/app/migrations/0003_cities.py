"""Teams have a city"""

from sqlalchemy import text
from sqlmodel import Session, select

from app.models import Team

CITIES = {"Rovers": "Sligo", "United": "Cork"}


def upgrade(session: Session) -> None:
    session.exec(text("ALTER TABLE team ADD COLUMN IF NOT EXISTS city VARCHAR"))
    session.commit()
    for team in session.exec(select(Team).order_by(Team.id)).all():
        team.city = CITIES.get(team.name)
        session.add(team)
    assert session.exec(select(Team).where(Team.city == "Cork")).one().name == "United"
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('cities')"))
    session.commit()


def downgrade(session: Session) -> None:
    session.exec(text("ALTER TABLE team DROP COLUMN city"))
    session.exec(text("DELETE FROM deploy_log WHERE what = 'cities'"))
    session.commit()
