"""What may be handed to `bridge.upgrade`, and what a pool must be able to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool, QueuePool, SingletonThreadPool, StaticPool

import bridge
from bridge.errors import LockNotObtained, MigrationError, UsageError
from support.running import advisory_locks, recorded

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from support.project import Project

A = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE a (id int)"))
        db.commit()
    """


def upgrade(project: Project, database: Any) -> bridge.Report:
    return bridge.upgrade(database, config=project.path / "alembic.ini")


@pytest.mark.parametrize(
    "pool",
    [
        {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": 0.2},
        {"poolclass": StaticPool},
        {"poolclass": SingletonThreadPool, "pool_size": 1},
        {"poolclass": NullPool},
    ],
    ids=lambda pool: pool["poolclass"].__name__,
)
def test_an_engine_with_a_pool_of_one_is_enough(project: Project, pool: dict[str, Any]) -> None:
    project.write("001_a", A)
    assert project.url is not None
    engine = create_engine(project.url, **pool)
    assert [each.stem for each in upgrade(project, engine).applied] == ["001_a"]
    project.write("002_b", A.replace("TABLE a", "TABLE b"))
    assert [each.stem for each in upgrade(project, engine).applied] == ["002_b"]
    assert advisory_locks(engine) == 0
    engine.dispose()


def test_an_engine_whose_pool_is_in_use_elsewhere_is_enough(project: Project) -> None:
    project.write("001_a", A)
    assert project.url is not None
    engine = create_engine(project.url, pool_size=2, max_overflow=0, pool_timeout=0.2)
    with engine.connect():
        assert [each.stem for each in upgrade(project, engine).applied] == ["001_a"]
    engine.dispose()


def test_a_connection_of_a_pool_of_one_is_enough_and_comes_back_as_it_was(
    project: Project, engine: Engine
) -> None:
    project.write("001_a", A)
    small = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.2)
    with small.connect() as connection:
        connection.execute(text("SET application_name = 'the shop'"))
        connection.execute(text("SET idle_in_transaction_session_timeout = '7min'"))
        connection.commit()
        before = settings_of(connection)
        assert [each.stem for each in upgrade(project, connection).applied] == ["001_a"]
        assert settings_of(connection) == before
        assert advisory_locks(engine) == 0
        project.write("002_b", A.replace("TABLE a", "TABLE missing.b"))
        with pytest.raises(MigrationError):
            upgrade(project, connection)
        assert settings_of(connection) == before
        assert advisory_locks(engine) == 0
    small.dispose()


def settings_of(connection: Connection) -> list[Any]:
    found = connection.execute(text("SELECT name, setting FROM pg_settings ORDER BY name")).all()
    connection.rollback()
    return list(found)


def test_the_lock_of_a_callers_transaction_ends_with_its_commit(
    project: Project, engine: Engine
) -> None:
    project.write("001_a", A)
    with engine.begin() as connection:
        assert [each.stem for each in upgrade(project, connection).applied] == ["001_a"]
        assert advisory_locks(engine) == 2
        with pytest.raises(LockNotObtained):
            bridge.upgrade(engine, config=project.path / "alembic.ini", wait_for_lock=0)
    assert advisory_locks(engine) == 0
    assert recorded(engine) == ["001_a"]


def test_what_is_no_database_is_refused(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        upgrade(project, 42)
    assert str(caught.value) == (
        "The database handed in is of type int; bridge takes a URL, or an Engine, an AsyncEngine "
        "or a Connection of SQLAlchemy's."
    )
