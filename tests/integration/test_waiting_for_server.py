"""A server that is not there yet, and one that will never let this role in."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import bridge
from bridge.database.database import Database
from bridge.database.engine import connect, make_engine, normalise
from bridge.errors import ServerUnreachable, UsageError
from bridge.reporting import events
from support.project import Project
from support.running import ask, poll
from support.scratch import Scratch, scratch_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL

STARTING = "the server is starting up or shutting down"
#: Far more than any of these servers takes to come up.
LONG = 120.0


@pytest.fixture(scope="module")
def scratch() -> Iterator[Scratch]:
    with scratch_server() as server:
        yield server


@pytest.fixture
def stopped(scratch: Scratch) -> Scratch:
    if scratch.is_running:
        scratch.stop("immediate")
    return scratch


@pytest.fixture
def running(scratch: Scratch) -> Scratch:
    if not scratch.is_running:
        scratch.start()
    return scratch


def facts_until_connected(
    url: URL, *, wait: float = LONG, and_then: Callable[[], None] = lambda: None
) -> list[str]:
    """What was told meanwhile, without the name of the database; `and_then` is called then."""
    url = normalise(url)
    told: list[str] = []

    def tell(event: events.WaitingForServer) -> None:
        told.append(event.message.split("): ", 1)[1])
        if STARTING in told:
            and_then()

    with connect(
        make_engine(url), Database(url, "DATABASE_URL"), wait=wait, tell=tell
    ) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    return told


def refused(url: URL) -> str:
    """What is said at once although there would be time to wait."""
    url = normalise(url)
    waits: list[events.WaitingForServer] = []
    with pytest.raises(UsageError) as caught:
        connect(
            make_engine(url),
            Database(url, "DATABASE_URL"),
            wait=LONG,
            tell=waits.append,
        )
    assert waits == []
    return str(caught.value)


def test_an_upgrade_waits_for_a_server_that_starts_later(
    stopped: Scratch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project = Project.create(tmp_path / "project")
    project.write("001_first", "def upgrade(db): pass\n")
    url = stopped.url()
    began: list[str] = []

    def start(record: logging.LogRecord) -> bool:
        if not began and "Trying again" in record.getMessage():
            began.append("now")
            stopped.start(wait=False)
        return True

    logger = logging.getLogger("bridge")
    with caplog.at_level(logging.INFO, logger="bridge"):
        logger.addFilter(start)
        try:
            report = bridge.upgrade(url, config=project.path / "alembic.ini")
        finally:
            logger.removeFilter(start)
    assert [applied.stem for applied in report.applied] == ["001_first"]
    waits = [r.getMessage() for r in caplog.records if "Trying again" in r.getMessage()]
    assert re.fullmatch(
        rf"database postgres on 127\.0\.0\.1:{url.port} as app \(from [^)]+\): "
        r"nothing listens there\. Trying again\.",
        waits[0],
    )


def test_a_server_that_is_starting_up_is_waited_for(stopped: Scratch) -> None:
    go_on = stopped.hold_start()
    stopped.start(wait=False)
    told = facts_until_connected(stopped.url(), and_then=go_on)
    assert STARTING in told
    engine = make_engine(stopped.url())
    poll(lambda: not ask(engine, "SELECT pg_is_in_recovery()"), within=60)


def test_a_server_that_is_shutting_down_is_waited_for(running: Scratch) -> None:
    """A client that stays keeps it from going."""
    url = running.url()
    with make_engine(url).connect() as last:
        running.stop("smart", wait=False)
        with pytest.raises(ServerUnreachable, match=STARTING):
            facts_until_connected(url, wait=0)
        last.invalidate()
    poll(lambda: not running.is_running, within=60)
    running.start()
    assert facts_until_connected(url) == []


def test_a_name_that_nobody_knows_yet_is_waited_for() -> None:
    url = normalise("postgresql://app@nohost.invalid/app")
    database = Database(url, "DATABASE_URL")
    place = "database app on nohost.invalid:5432 as app (from DATABASE_URL)"

    def enough(event: events.WaitingForServer) -> None:
        raise ValueError(event.message)

    with pytest.raises(ValueError, match="not known") as told:
        connect(make_engine(url), database, wait=LONG, tell=enough)
    assert str(told.value) == f"{place}: the name of the host is not known"
    with pytest.raises(ServerUnreachable) as caught:
        connect(make_engine(url), database, wait=0.01)
    assert str(caught.value).startswith(
        f"No connection to {place}: the name of the host is not known. Check the host, and the "
        "network's DNS. Run again, or let it wait with --wait-for-server 60."
    )
    assert re.search(r"\nWaited \d+\.\d s for it\.$", str(caught.value))


def test_a_wrong_password_fails_at_once(running: Scratch) -> None:
    with make_engine(running.url()).begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS guarded"))
        connection.execute(text("CREATE ROLE guarded LOGIN PASSWORD 'right-Zq7'"))
    assert facts_until_connected(running.url("guarded", "right-Zq7")) == []
    said = refused(running.url("guarded", "wrong-Zq7"))
    assert "the server refused the password of this role. Check the role and its password." in said
    assert "Zq7" not in said
    assert "the server wants a password, and none was given" in refused(running.url("guarded"))


def test_a_missing_database_or_role_fails_at_once(running: Scratch) -> None:
    said = refused(running.url(database="nowhere"))
    assert "the database does not exist on that server" in said
    assert "the role does not exist on that server" in refused(running.url("nobody"))


def test_a_role_that_is_missing_when_the_server_comes_up_is_not_waited_for(
    stopped: Scratch,
) -> None:
    url = normalise(stopped.url("nobody"))
    told: list[str] = []

    def start(event: events.WaitingForServer) -> None:
        if not told:
            stopped.start(wait=False)
        told.append(event.message)

    with pytest.raises(UsageError, match="the role does not exist on that server"):
        connect(make_engine(url), Database(url, "DATABASE_URL"), wait=LONG, tell=start)
    assert "nothing listens there" in told[0]
