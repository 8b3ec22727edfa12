"""What a tool hands in for an Engine or a Connection is looked through, or refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import wrapt
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

import bridge
from bridge.errors import UsageError
from support.running import advisory_locks, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.project import Project

A = """
    from sqlalchemy import text
    def upgrade(db):
        db.execute(text("CREATE TABLE a AS SELECT pg_backend_pid() AS pid"))
        db.commit()
    """


class Delegates:
    """As pytest-alembic has it: a Connection, in the shape of an Engine."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    @contextmanager
    def connect(self) -> Iterator[Any]:
        yield self.connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


class OnlyConnects:
    """As many a conftest.py has it."""

    def __init__(self, connection: Any) -> None:
        self.connect = connection


def of_engine(project: Project) -> Engine:
    assert project.url is not None
    project.write("001_a", A)
    return create_engine(project.url, poolclass=NullPool)


def upgrade(project: Project, database: Any) -> list[str]:
    report = bridge.upgrade(database, config=project.path / "alembic.ini")
    return [each.stem for each in report.applied]


@pytest.mark.parametrize("wrap", [wrapt.ObjectProxy, lambda engine: OnlyConnects(engine.connect)])
def test_an_engine_is_looked_through(
    project: Project, engine: Engine, wrap: Callable[[Engine], Any]
) -> None:
    wrapped = wrap(of_engine(project))
    assert upgrade(project, wrapped) == ["001_a"]
    assert upgrade(project, wrapped) == []
    assert bridge.status(wrapped, config=project.path / "alembic.ini").pending == ()
    assert recorded(engine) == ["001_a"]
    assert advisory_locks(engine) == 0


@pytest.mark.parametrize("wrap", [wrapt.ObjectProxy, Delegates])
def test_a_connection_is_looked_through_and_used_itself(
    project: Project, engine: Engine, wrap: Callable[[Connection], Any]
) -> None:
    with of_engine(project).connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.commit()
        wrapped = wrap(connection)
        assert upgrade(project, wrapped) == ["001_a"]
        assert connection.scalar(text("SELECT pid FROM a")) == pid
        assert not connection.closed
        connection.rollback()
        assert upgrade(project, wrapped) == []


@pytest.mark.parametrize("wrap", [wrapt.ObjectProxy, Delegates])
def test_a_wrapped_connection_keeps_the_callers_transaction(
    project: Project, engine: Engine, wrap: Callable[[Connection], Any]
) -> None:
    with of_engine(project).connect() as connection:
        config = Config(str(project.path / "alembic.ini"))
        config.attributes["connection"] = wrap(connection)
        with connection.begin() as transaction:
            command.upgrade(config, "head")
            assert connection.scalar(text("SELECT to_regclass('a')")) == "a"
            transaction.rollback()
        assert connection.scalar(text("SELECT to_regclass('a')")) is None


def refusal(project: Project, database: Any) -> str:
    with pytest.raises(UsageError) as caught:
        upgrade(project, database)
    return str(caught.value)


def test_what_gives_no_connection_is_refused(project: Project) -> None:
    engine = of_engine(project)
    kind = (
        "The database handed in is of type OnlyConnects; bridge takes a URL, or an Engine, an "
        "AsyncEngine or a Connection of SQLAlchemy's."
    )
    assert refusal(project, OnlyConnects(lambda: 42)) == kind
    assert refusal(project, OnlyConnects(open_nothing)) == kind
    with engine.connect() as connection:
        scoped = scoped_session(sessionmaker(connection))
        assert refusal(project, scoped) == (
            "A scoped_session was handed in; bridge makes connections of its own for the "
            "migrations. Nothing was done. Hand in its Engine, session.get_bind(), or the URL."
        )


@contextmanager
def open_nothing() -> Iterator[None]:
    yield


def test_a_tool_that_gives_a_connection_of_another_driver_is_refused(project: Project) -> None:
    engine = of_engine(project)
    other = create_engine(engine.url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    assert refusal(project, OnlyConnects(other.connect)).startswith(
        "The connection handed in uses the driver psycopg; bridge runs migrations on psycopg2"
    )
    of_async = create_async_engine(engine.url.set(drivername="postgresql+asyncpg"))
    assert "await bridge.upgrade_async(engine)" in refusal(
        project,
        Delegates(Connection(of_async.sync_engine, connection=object())),  # type: ignore[arg-type]
    )


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names other databases."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere.invalid/x")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://nowhere.invalid/y")


def address(project: Project) -> str:
    assert project.url is not None
    return project.url.render_as_string(hide_password=False).replace("%", "%%")


@pytest.mark.usefixtures("elsewhere")
def test_a_url_that_a_program_has_set_goes_before_the_environment(
    project: Project, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a test that names its database would migrate the one of whoever runs it."""
    caplog.set_level("INFO", "bridge")
    project.write("001_a", A)
    config = Config(str(project.path / "alembic.ini"))
    config.set_main_option("sqlalchemy.url", address(project))
    command.upgrade(config, "head")
    assert recorded(engine) == ["001_a"]
    assert "(from sqlalchemy.url, as the program has set it)" in caplog.text


@pytest.mark.parametrize("variable", ["MIGRATION_DATABASE_URL", "DATABASE_URL", None])
def test_a_url_that_an_env_py_has_set_stands_in_place_of_that_in_the_file(
    project: Project,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
) -> None:
    """An env.py copies DATABASE_URL there; MIGRATION_DATABASE_URL still goes first."""
    caplog.set_level("INFO", "bridge")
    set_there = address(project)
    if variable:
        assert project.url is not None
        monkeypatch.setenv(variable, project.url.render_as_string(hide_password=False))
        set_there = "postgresql://nowhere.invalid/y"
    project.write("001_a", A)
    folder = project.path / "db"
    folder.mkdir()
    (folder / "env.py").write_text(
        "from alembic import context\nimport bridge\n"
        f"context.config.set_main_option('sqlalchemy.url', {set_there!r})\n"
        "bridge.run_environment(context)\n"
    )
    project.ini(
        "[alembic]\nscript_location = %(here)s/db\nplain_files = true\npath_separator = os\n"
        "version_locations = %(here)s/migrations\nsqlalchemy.url = postgresql://x.invalid/z\n"
    )
    command.upgrade(Config(str(project.path / "alembic.ini")), "head")
    assert recorded(engine) == ["001_a"]
    assert f"(from {variable or 'sqlalchemy.url, as env.py has set it'})" in caplog.text


@pytest.mark.usefixtures("elsewhere")
def test_what_the_file_says_comes_after_the_environment(project: Project) -> None:
    project.write("001_a", A)
    project.ini(extra=f"sqlalchemy.url = {address(project)}\n")
    config = Config(str(project.path / "alembic.ini"))
    config.set_main_option("transaction", "default")
    with pytest.raises(CommandError, match=r"nowhere\.invalid"):
        command.upgrade(config, "head")
