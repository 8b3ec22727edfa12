"""Engines of other drivers: the migrations run on psycopg2, in the same place and role."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import bridge
from bridge.errors import UsageError
from support.books import Books
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL

    from support.databases import Databases

A = "001_a"

#: What a migration runs on, written by it.
SEEN = """
    from sqlalchemy import text
    def upgrade(db):
        driver = db.get_bind().dialect.driver
        db.execute(text("CREATE TABLE IF NOT EXISTS seen (driver text, path text, name text)"))
        db.execute(text(
            "INSERT INTO seen VALUES (:d, current_setting('search_path'), "
            "current_setting('application_name'))"
        ), {"d": driver})
        db.commit()
    """

DRIVERS = [
    pytest.param(create_async_engine, "asyncpg", id="asyncpg"),
    pytest.param(create_async_engine, "psycopg", id="async psycopg"),
    pytest.param(create_engine, "psycopg", id="psycopg"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Books:
    """One database for all drivers; each begins anew in it."""
    project = Project.create(tmp_path_factory.mktemp("drivers") / "project", databases.take())
    project.write(A, SEEN)
    return Books(project)


@pytest.fixture
def books(shared: Books) -> Iterator[Books]:
    yield shared
    shared.sql("DROP TABLE IF EXISTS seen, schema_migrations, alembic_version")


def config(books: Books) -> Any:
    return books.project.path / "alembic.ini"


def address(books: Books, driver: str) -> URL:
    """As the driver writes it: the host of a socket goes into the query."""
    assert books.project.url is not None
    return books.project.url.set(drivername=f"postgresql+{driver}")


@pytest.mark.parametrize(("make", "driver"), DRIVERS)
def test_the_migration_runs_on_psycopg2_with_the_engines_own_settings(
    books: Books, make: Any, driver: str
) -> None:
    settings = {"search_path": '"$user", public', "application_name": "the shop"}
    given: dict[str, Any] = (
        {"server_settings": settings, "timeout": 30, "statement_cache_size": 0}
        if driver == "asyncpg"
        else {
            "options": '-c search_path="$user",\\ public',
            "application_name": "the shop",
            "prepare_threshold": None,
        }
    )
    engine = make(address(books, driver), connect_args=given, poolclass=NullPool)
    assert bridge.status(engine, config=config(books)).pending == (A,)
    report = bridge.upgrade(engine, config=config(books))
    assert [applied.stem for applied in report.applied] == [A]
    assert books.table("seen") == [("psycopg2", '"$user", public', "the shop (bridge: 001_a)")]
    assert bridge.status(engine, config=config(books)).up_to_date
    assert bridge.upgrade(engine, config=config(books)).applied == ()


def test_an_async_engine_goes_on_in_its_own_loop(books: Books) -> None:
    async def main() -> tuple[bridge.Report, Any]:
        engine = create_async_engine(address(books, "asyncpg"))
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            report = await bridge.upgrade_async(engine, config=config(books))
            assert (await bridge.status_async(engine, config=config(books))).up_to_date
            found = await connection.scalar(text("SELECT count(*) FROM seen"))
        await engine.dispose()
        return report, found

    report, found = asyncio.run(main())
    assert [applied.stem for applied in report.applied] == [A]
    assert found == 1


def test_where_the_database_is_is_told(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "bridge")
    engine = create_async_engine(address(books, "asyncpg"))
    bridge.upgrade(engine, config=config(books))
    assert "(from the AsyncEngine that was handed in)" in caplog.text


def test_the_variable_goes_before_an_engine_of_another_driver(
    books: Books, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bridge")
    assert books.project.url is not None
    url = books.project.url.render_as_string(hide_password=False)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", url)
    elsewhere = create_async_engine("postgresql+asyncpg://app@127.0.0.1:1/elsewhere")
    bridge.upgrade(elsewhere, config=config(books))
    assert books.applied == [A]
    assert (
        "(from MIGRATION_DATABASE_URL, instead of the AsyncEngine that was handed in, which names "
        "the database elsewhere)"
    ) in caplog.text


def test_alembics_own_commands_take_such_an_engine_too(books: Books) -> None:
    alembic = Config(str(config(books)))
    alembic.attributes["connection"] = create_engine(address(books, "psycopg"))
    command.upgrade(alembic, "head")
    assert books.applied == [A]


def test_a_connection_of_another_driver_is_refused(books: Books) -> None:
    engine = create_engine(address(books, "psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        for run in (bridge.upgrade, bridge.status):
            with pytest.raises(UsageError) as caught:
                run(connection, config=config(books))
            assert str(caught.value) == (
                "The connection handed in uses the driver psycopg; bridge runs migrations on "
                "psycopg2, outside of its transaction. Nothing was done. Hand in its Engine, or "
                "the URL."
            )
