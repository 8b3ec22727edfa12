"""What a folder's files have in common that other teams' files have otherwise.

Home-made runners differ in little: what the function takes, what it is called, and whether `V10`
comes after `V9`. Data only, so that a start that has nothing to do loads it for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.files.stems import number_of


class Argument(StrEnum):
    """What a migration's function takes; what `argument =` in alembic.ini says."""

    #: SQLAlchemy's Session, Connection and Engine.
    SESSION = "session"
    CONNECTION = "connection"
    ENGINE = "engine"
    #: psycopg2's connection and cursor.
    DBAPI = "dbapi"
    CURSOR = "cursor"


class Order(StrEnum):
    """The order of the files that are pending; what `order =` in alembic.ini says."""

    NAME = "name"
    NUMBER = "number"

    def place(self, stem: str) -> tuple[int, str]:
        """Return what sorts a migration into its place; one without a number comes first."""
        return (int(number_of(stem) or 0) if self is Order.NUMBER else 0, stem)


@dataclass(frozen=True, slots=True)
class Conventions:
    """The conventions of one folder; by default those of bridge's own files."""

    #: The names of the two functions.
    upgrade: str = "upgrade"
    downgrade: str = "downgrade"
    #: What they take where an annotation does not say it.
    argument: Argument = Argument.SESSION
    order: Order = Order.NAME

    def function(self, direction: str) -> str:
        """Return the name of the function for "upgrade" or "downgrade"."""
        return self.upgrade if direction == "upgrade" else self.downgrade


#: Those of bridge's own files.
OURS = Conventions()
