"""`alembic.command.upgrade` in the lifespan of a FastAPI application, as many have it."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from support.alembic_books import books, write_three
from support.selection import few

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

APP = """\
import asyncio
import logging
import os
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import create_async_engine

logging.basicConfig(level="WARNING")
mine = logging.getLogger("app")
config = Config("alembic.ini")
url = os.environ["DATABASE_URL"].replace("+psycopg2", "")
engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"))

def upgrade(connection):
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

@asynccontextmanager
async def lifespan(app):
{start}
    yield
    await engine.dispose()

app = FastAPI(lifespan=lifespan)

async def serve():
    async with app.router.lifespan_context(app):
        print("serves", mine.disabled, logging.getLogger().level)

asyncio.run(serve())
"""

STARTS = {
    "blocking": 'command.upgrade(config, "head")',
    "in a thread": 'await asyncio.to_thread(command.upgrade, config, "head")',
    "with the AsyncEngine": """\
config.attributes["connection"] = engine
await asyncio.to_thread(command.upgrade, config, "head")""",
}
RUN_SYNC = """\
async with engine.begin() as connection:
    await connection.run_sync(upgrade)"""


def write(project: Project, start: str) -> None:
    write_three(project)
    (project.path / "app.py").write_text(APP.format(start=indent(start, "    ")))


@pytest.mark.parametrize("name", few(STARTS, quick="with the AsyncEngine".__eq__))
def test_an_application_migrates_when_it_starts(
    project: Project, engine: Engine, name: str
) -> None:
    write(project, STARTS[name])
    for _ in range(2):  # with nothing to do, too
        told = project.program("python", "-Werror", "app.py", check=True)
        assert told.stdout == "serves False 30\n"
    assert books(engine).applied == ["001_one", "002_two", "003_three"]


def test_run_sync_is_refused_with_what_to_write_instead(project: Project, engine: Engine) -> None:
    write(project, RUN_SYNC)
    failed = project.program("python", "app.py")
    assert failed.returncode == 1
    sentence = (
        "The connection handed in is that of an AsyncConnection of asyncpg, by way of run_sync(); "
        "bridge runs migrations on psycopg2, outside of its transaction. Nothing was done. Hand "
        "in the AsyncEngine, without run_sync(): await bridge.upgrade_async(engine), or, for a "
        'command of Alembic\'s, config.attributes["connection"] = engine and await '
        'asyncio.to_thread(command.upgrade, config, "head").'
    )
    assert sentence in failed.stderr
