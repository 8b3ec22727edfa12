"""Number the shirts, team by team"""

import sqlmodel
from sqlalchemy import text
from sqlmodel import select

from app.models import Player, Team


def upgrade(session: sqlmodel.Session) -> None:
    session.exec(text("ALTER TABLE player ADD COLUMN IF NOT EXISTS shirt INTEGER"))
    for team in session.exec(select(Team)):
        players = session.exec(
            select(Player).where(Player.team_id == team.id).order_by(Player.id)
        ).all()
        for shirt, player in enumerate(players, start=1):
            player.shirt = shirt
    session.exec(text("CREATE UNIQUE INDEX player_shirt ON player (team_id, shirt)"))
    session.exec(text("INSERT INTO deploy_log (what) VALUES ('shirts')"))
    session.commit()


def downgrade(session: sqlmodel.Session) -> None:
    session.exec(text("DROP INDEX player_shirt"))
    session.exec(text("UPDATE player SET shirt = NULL"))
    session.exec(text("DELETE FROM deploy_log WHERE what = 'shirts'"))
    session.commit()
