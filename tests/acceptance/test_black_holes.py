"""A network that answers nothing any more ends a run by itself, and the run says after how long."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from support.black_hole import network
from support.running import PATIENCE, Ended
from support.tcp_proxy import Proxy, Unreachable, When

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

    from support.project import Project

FILE = """\
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE half_done ()"))
    db.execute(text("SELECT pg_sleep(0)"))
    db.commit()
"""
#: The limits are those of libpq and of the system. A test need not wait for the default ones.
SHORT = {"connect_timeout": "2", "tcp_user_timeout": "2000"}


@pytest.fixture
def one(project: Project) -> Project:
    """One migration, which is pending."""
    project.write("001_work", FILE)
    return project


def migrate(project: Project, url: URL, *before: str) -> Ended:
    """Run `eai migrate` at this address of the database."""
    here = replace(project, url=url.update_query_dict(SHORT))
    done = subprocess.run(
        [*before, Path(sys.executable).parent / "eai", "migrate"],
        cwd=here.path,
        env=here.environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_try_again(ended: Ended) -> None:
    assert ended.code == 75, ended
    assert re.search(r"\nWaited \d+\.\d s for it\.$", ended.err.rstrip()), ended


def test_a_server_that_takes_the_connection_and_says_nothing(one: Project, engine: Engine) -> None:
    with Proxy(engine.url) as proxy:
        proxy.stall_new()
        ended = migrate(one, proxy.url)
    assert_try_again(ended)
    assert "the server did not answer in time" in ended.err


def test_an_address_at_which_no_packet_is_answered(one: Project, engine: Engine) -> None:
    with Unreachable() as nowhere:
        ended = migrate(one, nowhere.at(engine.url))
    assert_try_again(ended)
    assert "the server did not answer in time" in ended.err


@pytest.mark.long
@pytest.mark.parametrize("when", [1, b"string_agg", b"pg_catalog.version()"], ids=str)
def test_packets_that_are_lost_before_a_migration_begins(
    one: Project, engine: Engine, when: When
) -> None:
    with network() as other, Proxy(engine.url, host=other.host) as proxy:
        proxy.call_when(when, other.swallow)
        ended = migrate(one, proxy.url, *other.command)
        assert proxy.happened.is_set()
    assert_try_again(ended)


@pytest.mark.long
@pytest.mark.parametrize("when", [b"pg_sleep", b"COMMIT"], ids=str)
def test_packets_that_are_lost_in_a_migration(one: Project, engine: Engine, when: When) -> None:
    with network() as other, Proxy(engine.url, host=other.host) as proxy:
        proxy.call_when(when, other.swallow, after=b"half_done")
        ended = migrate(one, proxy.url, *other.command)
    assert ended.code == 75
    assert (
        "OperationalError: could not receive data from server: Connection timed out (no sign of "
        "the server for as long as tcp_user_timeout says, 30 s by default)\n"
    ) in ended.err
    rolled_back = "Everything it did was rolled back. It is not recorded as applied.\n"
    assert (rolled_back in ended.err) == (when != b"COMMIT")
    assert ("it is not known whether 001_work was committed" in ended.err) == (when == b"COMMIT")
    assert re.search(r"001_work  failed after (\d\.\d\d|\d+( min \d+)?) s\n", ended.err)


#: Seconds of silence, between two questions, and questions; milliseconds.
LIMITS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}


@pytest.mark.skipif(sys.platform != "linux", reason="the options have these names on Linux")
@pytest.mark.parametrize(
    "command", ["migrate", "migrate status", "migrate lock", "migrate rehearse --yes"]
)
def test_every_connection_has_the_limits(
    one: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    made: list[dict[str, int]] = []
    connect = psycopg2.connect

    def noted(*arguments: Any, **parameters: Any) -> Any:
        connection = connect(*arguments, **parameters)
        with socket.socket(fileno=os.dup(connection.fileno())) as ours:
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            made.append(
                {name: ours.getsockopt(socket.SOL_TCP, getattr(socket, name)) for name in LIMITS}
            )
        return connection

    monkeypatch.setattr(psycopg2, "connect", noted)
    with Proxy(engine.url) as proxy:
        replace(one, url=proxy.url).eai(*command.split(), check=True)
    assert made
    assert all(each == LIMITS for each in made)
