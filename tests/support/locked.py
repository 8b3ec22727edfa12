"""The migration lock, held by a test as a run holds it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from bridge.locking.exclusive import exclusively
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from bridge.locking.exclusive import Right


@contextmanager
def locked(
    connection: Connection, *, wait: float = 0.0, reporter: Reporter | None = None, **how: Any
) -> Iterator[Right]:
    """Hold it on this connection, which is in no transaction, as one that was handed in."""
    how = {"in_transaction": False, "lent": True, **how}
    with exclusively(connection, wait=wait, reporter=reporter or Reporter(), **how) as right:
        yield right


@contextmanager
def holding(engine: Engine, migration: str = "", **how: Any) -> Iterator[int]:
    """Hold it as a run of this migration does; gives the backend."""
    with engine.connect() as connection, locked(connection, **how) as right:
        right.show(migration)
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.rollback()
        yield int(pid)


def hold_in_turn(url: str) -> None:
    """Wait for the lock, and note in the table `visit` when it is had and given back."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, locked(connection, wait=60):
        for event in ("in", "out"):
            connection.execute(text("INSERT INTO visit (event) VALUES (:e)"), {"e": event})
            connection.commit()
            connection.execute(text("SELECT pg_sleep(0.05)"))
            connection.rollback()
