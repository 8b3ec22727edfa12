"""The application_name of a connection stops a run only where its role could migrate itself."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import POLL_OK

import bridge
from bridge.errors import LockNotObtained
from bridge.locking.holder import UNLOCKED_NAME
from support.running import ask, do, poll, recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

    from support.project import Project

FIRST = "001_first"
FILE = "from sqlalchemy import text\ndef upgrade(db):\n    db.execute(text('CREATE TABLE t ()'))\n"


@dataclass(frozen=True)
class Roles:
    """The role that migrates, one that is a member of it, and one of somebody else's."""

    migrator: URL
    member: URL
    stranger: URL


@pytest.fixture
def roles(engine: Engine) -> Iterator[Roles]:
    name = f"bridge_test_{secrets.token_hex(4)}"
    names = [f"{name}_{each}" for each in ("migrator", "member", "stranger")]
    do(engine, *(f"CREATE ROLE {each} LOGIN PASSWORD 'secret'" for each in names))
    migrator, member, _ = names
    # It sees what all do, as on many a managed server, and not only its own.
    do(
        engine,
        f"GRANT pg_monitor TO {migrator}",
        f"GRANT {migrator} TO {member}",
        f"GRANT CREATE ON SCHEMA public TO {migrator}",
    )
    try:
        yield Roles(*(engine.url.set(username=each, password="secret") for each in names))
    finally:
        for each in names:
            do(engine, f"DROP OWNED BY {each} CASCADE", f"DROP ROLE {each}")


@contextmanager
def working(url: URL, engine: Engine) -> Iterator[None]:
    """Run a statement in the name of what runs statements that can hold no lock."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg2.connect(plain, application_name=UNLOCKED_NAME, async_=True)
    try:
        poll(lambda: connection.poll() == POLL_OK)
        connection.cursor().execute("SELECT pg_sleep(600)")
        busy = """
            SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND query = 'SELECT pg_sleep(600)' AND state = 'active'"""
        poll(lambda: ask(engine, busy) == 1)
        yield
    finally:
        do(engine, f"SELECT pg_terminate_backend({connection.info.backend_pid}, 60000)")
        connection.close()


def upgrade(project: Project, url: URL) -> None:
    project.write(FIRST, FILE)
    text_of = url.render_as_string(hide_password=False)
    bridge.upgrade(text_of, config=project.path / "alembic.ini", wait_for_lock=0)


def test_another_role_that_takes_the_name_stops_no_run(
    project: Project, engine: Engine, roles: Roles
) -> None:
    with working(roles.stranger, engine):
        upgrade(project, roles.migrator)
    assert recorded(engine) == [FIRST]


def test_no_role_that_takes_the_name_stops_a_superuser(
    project: Project, engine: Engine, roles: Roles
) -> None:
    with working(roles.migrator, engine):
        upgrade(project, engine.url)
    assert recorded(engine) == [FIRST]


@pytest.mark.parametrize("who", ["migrator", "member", "superuser"])
def test_a_run_waits_for_who_may_do_what_its_role_may(
    project: Project, engine: Engine, roles: Roles, who: str
) -> None:
    url = engine.url if who == "superuser" else getattr(roles, who)
    with working(url, engine), pytest.raises(LockNotObtained, match="An earlier migration run"):
        upgrade(project, roles.migrator)
    assert ask(engine, "SELECT to_regclass('t') IS NULL")
    upgrade(project, roles.migrator)
    assert recorded(engine) == [FIRST]
