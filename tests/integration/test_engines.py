"""What may be handed to `bridge.upgrade`, and what a pool must be able to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

import bridge
from bridge.errors import LockNotObtained, UsageError

if TYPE_CHECKING:
    from support.project import Project

A = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE a (id int)"))
        db.commit()
    """


def upgrade(project: Project, database: Any) -> bridge.Report:
    return bridge.upgrade(database, config=project.path / "alembic.ini")


def test_an_engine_with_one_connection_left_is_explained(project: Project) -> None:
    project.write("001_a", A)
    assert project.url is not None
    engine = create_engine(project.url, pool_size=2, max_overflow=0, pool_timeout=0.2)
    with engine.connect(), pytest.raises(LockNotObtained) as caught:
        upgrade(project, engine)
    assert str(caught.value).startswith(
        "The migration lock needs a connection of its own, which could not be made: QueuePool "
        "limit of size 2 overflow 0 reached"
    )
    assert str(caught.value).endswith(
        "Nothing was started. Run the same command again. If that does not help, let the server, "
        "the role and the pool give two connections to one run."
    )
    engine.dispose()


def test_an_engine_that_gives_everybody_the_same_connection_is_refused(project: Project) -> None:
    project.write("001_a", A)
    assert project.url is not None
    engine = create_engine(project.url, poolclass=StaticPool)
    with pytest.raises(UsageError) as caught:
        upgrade(project, engine)
    assert str(caught.value) == (
        "The Engine's pool (StaticPool) gives out one connection for everything, but a run needs "
        "two: one for the migrations and one for their lock. Nothing was started. Hand in an "
        "Engine with another pool, or the URL."
    )
    engine.dispose()


def test_what_is_no_database_is_refused(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        upgrade(project, 42)
    assert str(caught.value) == (
        "The database handed in is of type int; bridge takes a URL, or an Engine, an AsyncEngine "
        "or a Connection of SQLAlchemy's."
    )
