"""A signal ends `eai migrate` in every state, also where the network answers nothing any more."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK
from support.faults import NETWORK_SWALLOWS
from support.running import PATIENCE, Ended, ask, poll, starting
from support.tcp_proxy import Proxy, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

    from support.project import Project
    from support.running import Running

    Start = Callable[..., Running]

FILE = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE half_done ()"))
    db.execute(text("SELECT pg_sleep({seconds})"))
    db.commit()
"""
#: Only the signal ends the wait for an answer: the defaults are not as patient as a test.
FOR_EVER = {"connect_timeout": "600", "tcp_user_timeout": "600000"}


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """Start `eai migrate` on one pending migration, at this address of the database."""
    with ExitStack() as stack:

        def begin(url: URL, *options: str, seconds: int = 0) -> Running:
            project.write("001_work", FILE.format(seconds=seconds))
            here = replace(project, url=url.update_query_dict(FOR_EVER))
            started = stack.enter_context(starting(here))
            return started("eai", "migrate", "--log-format", "json", *options)

        yield begin


def assert_ends(run: Running, signum: int = signal.SIGTERM) -> Ended:
    """Its last line is the one event that says how it ended."""
    run.process.send_signal(signum)
    ended = run.end()
    assert ended.code == 128 + signum, ended
    last = json.loads(ended.err.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", 128 + signum), ended
    assert last["message"].startswith(f"Interrupted by {signal.Signals(signum).name}.")
    return ended


#: What the network does, and when: from then on it answers nothing that was not on its way.
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "the address is sent": lambda proxy: proxy.stall_when(1),
    "the quick query": lambda proxy: proxy.stall_when(b"string_agg"),
    "SQLAlchemy's first query": lambda proxy: proxy.stall_when(b"pg_catalog.version()"),
    "a statement": lambda proxy: proxy.stall_when(b"pg_sleep"),
    "the answer to a statement": lambda proxy: proxy.swallow_answer_to(b"pg_sleep"),
    "a COMMIT": lambda proxy: proxy.stall_when(b"COMMIT", after=b"half_done"),
    "the answer to a COMMIT": lambda proxy: proxy.swallow_answer_to(b"COMMIT", after=b"half_done"),
}


@pytest.mark.parametrize("swallowed", NETWORK_SWALLOWS.cases(list(FAULTS)))
def test_it_ends_when_the_network_swallows(start: Start, engine: Engine, swallowed: str) -> None:
    with Proxy(engine.url) as proxy:
        FAULTS[swallowed](proxy)
        run = start(proxy.url)
        assert proxy.happened.wait(PATIENCE)
        ended = assert_ends(run)
    assert ("it is not known whether" in ended.err) == ("COMMIT" in swallowed)


def test_ctrl_c_ends_it_as_well(start: Start, engine: Engine) -> None:
    with Proxy(engine.url) as proxy:
        proxy.stall_when(b"COMMIT", after=b"half_done")
        run = start(proxy.url)
        assert proxy.happened.wait(PATIENCE)
        assert_ends(run, signal.SIGINT)


def test_it_ends_while_a_server_takes_the_connection_and_says_nothing(
    start: Start, engine: Engine
) -> None:
    with Proxy(engine.url) as proxy:
        proxy.stall_new()
        run = start(proxy.url)
        poll(lambda: proxy.connections)
        assert_ends(run)


def test_it_ends_while_no_packet_is_answered(start: Start, engine: Engine) -> None:
    with Unreachable() as nowhere:
        run = start(nowhere.at(engine.url))
        run.told("run.database")
        assert_ends(run)


def test_it_ends_while_it_waits_for_the_server(start: Start, engine: Engine) -> None:
    with Proxy(engine.url) as proxy:
        url = proxy.url
        proxy.refuse()
        run = start(url, "--wait-for-server", "600")
        run.told("server.unreachable")
        assert_ends(run)


def test_it_ends_while_another_process_holds_the_lock(start: Start, engine: Engine) -> None:
    with engine.connect() as other:
        other.execute(text(f"SELECT pg_advisory_lock({LOCK_CLASS}, {MIGRATION_LOCK})"))
        run = start(engine.url)
        run.told("lock.waiting")
        assert_ends(run)


def test_it_ends_while_the_network_swallows_the_question_for_the_lock(
    start: Start, engine: Engine
) -> None:
    with Proxy(engine.url) as proxy:
        proxy.stall_when(b"pg_try_advisory")
        run = start(proxy.url)
        assert proxy.happened.wait(PATIENCE)
        assert_ends(run)


def test_it_ends_while_the_server_works_and_says_what_was_rolled_back(
    start: Start, engine: Engine
) -> None:
    run = start(engine.url, seconds=600)
    here = "FROM pg_stat_activity WHERE datname = current_database()"
    poll(lambda: ask(engine, f"SELECT count(*) {here} AND query = 'SELECT pg_sleep(600)'"))
    ended = assert_ends(run)
    assert "001_work was interrupted" in ended.err
    assert ask(engine, "SELECT to_regclass('half_done') IS NULL")


def test_a_rehearsal_ends_while_the_network_swallows_the_question_for_the_lock(
    start: Start, engine: Engine
) -> None:
    with Proxy(engine.url) as proxy:
        proxy.stall_when(b"pg_try_advisory")
        run = start(proxy.url, "rehearse", "--yes")
        assert proxy.happened.wait(PATIENCE)
        assert_ends(run)


@pytest.mark.parametrize("setting", ["check", "upgrade"])
def test_a_service_that_starts_ends_as_well(project: Project, engine: Engine, setting: str) -> None:
    project.write("001_work", FILE.format(seconds=0))
    project.ini(extra=f"startup = {setting}\n")
    with Proxy(engine.url) as proxy, starting(replace(project, url=proxy.url)) as start:
        proxy.stall_when(b"schema_migrations")
        run = start("python", "-c", "import bridge; bridge.start()")
        assert proxy.happened.wait(PATIENCE)
        run.process.send_signal(signal.SIGTERM)
        assert run.end().code == 143
