from datetime import date
from enum import StrEnum

from sqlmodel import Field, Relationship, SQLModel


class Role(StrEnum):
    captain = "captain"
    player = "player"


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True)
    city: str | None = None

    players: list["Player"] = Relationship(back_populates="team")


class Player(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    role: Role = Role.player
    born: date | None = None
    shirt: int | None = None
    team_id: int | None = Field(default=None, foreign_key="team.id")

    team: Team | None = Relationship(back_populates="players")
