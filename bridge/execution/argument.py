"""What a migration's function gets: a Session or, as its team's own runner gave it, something else.

All of it is on the migration's one connection, with its deferred commit and its record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg2 import extras

from bridge.execution.session import FileConnection, session_class
from bridge.files.conventions import Argument

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bridge.execution.session import OwnEngine
    from bridge.execution.work import Work

__all__ = ["Given", "open_argument"]


@dataclass(frozen=True, slots=True)
class Given:
    """What one function gets, until its migration is recorded."""

    value: Any
    #: Commits what the function has left, as its team's own runner did.
    commit: Callable[[], None]
    close: Callable[[], None]


def open_argument(
    own: OwnEngine, argument: Argument, named: str | None = None, *, autoflush: bool
) -> Given:
    """Make what the function takes, on the connection of the migration that `own` serves.

    `named` is the class that its annotation names.
    """
    work = own.work
    if argument is Argument.DBAPI:
        return Given(work.dbapi, work.dbapi.commit, lambda: None)
    if argument is Argument.CURSOR:
        # A class of psycopg2's for rows that are dicts or named tuples.
        factory = getattr(extras, named or "", None)
        cursor = work.dbapi.cursor(**({"cursor_factory": factory} if factory else {}))
        return Given(cursor, work.dbapi.commit, cursor.close)
    if argument is Argument.ENGINE:
        return Given(own, lambda: _end(work), lambda: None)
    if argument is Argument.CONNECTION:
        connection = own.connect(FileConnection)
        return Given(connection, lambda: _commit(connection), connection.close)
    session = session_class()(work, own, lambda: own.files, autoflush=autoflush)
    return Given(session, lambda: _commit_rest(session, work), session.close)


def _commit(connection: Any) -> None:
    """Commit, and put back the isolation level that the file has set for this Connection."""
    if not connection.closed:
        connection.commit()
        connection.close()


def _commit_rest(session: Session, work: Work) -> None:
    """Commit what the file has left; to begin a transaction for nothing takes its time."""
    if session.in_transaction():
        session.commit()
    else:
        work.settle()


def _end(work: Work) -> None:
    """Keep what came by way of ``alembic.op``; a Connection that was left open commits nothing."""
    if work.by_others:
        work.settle()
    else:
        work.drop()
