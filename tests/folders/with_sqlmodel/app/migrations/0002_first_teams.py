"""The teams of the first season"""

from sqlalchemy import text
from sqlmodel import Session

from app.models import Player, Role, Team

SEASON = {
    "Rovers": ["Ann", "Béla", "Chidi"],
    "United": ["Dot", "Eve"],
    "Nobody's": [],
}


def upgrade(session: Session) -> None:
    for name, players in SEASON.items():
        team = Team(name=name)
        session.add(team)
        session.flush()
        for number, player in enumerate(players):
            role = Role.captain if number == 0 else Role.player
            session.add(Player(name=player, role=role, team_id=team.id))
            session.flush()
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('first_teams')"))
    session.commit()
