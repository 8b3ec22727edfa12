"""A signal to a real process that talks to a real server."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import psycopg2.errors
import pytest
from sqlalchemy import text

import bridge.database.cancel
from bridge.database.interrupt import Interrupter, interruptible
from bridge.errors import Interrupted
from bridge.waiting import call, sleep
from support.running import PATIENCE, ask, poll
from support.tcp_proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Engine

#: What a process would do for ten minutes, so that its end shows that the signal has ended it.
SLEEP = 'connection.execute(text("SELECT pg_sleep(600)"))'

#: Other tests may be running on the same server.
OF_CHILD = "FROM pg_stat_activity WHERE application_name = 'child' AND datname = current_database()"

PRELUDE = """\
import os, sys, time
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from bridge.database.interrupt import interruptible

def ready():
    print("ready", flush=True)

url = os.environ["DATABASE_URL"]
engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": "child"})
with interruptible() as interrupter, engine.connect() as connection:
    interrupter.watch(connection)
    connection.execute(text("INSERT INTO note VALUES ('half done')"))
"""
EPILOGUE = """
    connection.commit()
"""


@dataclass
class Child:
    """A process that has inserted a row in an open transaction, and what it does after that."""

    process: subprocess.Popen[str]
    engine: Engine

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def wait_until_running(self, statement: str) -> None:
        """Wait until the server runs it."""
        query = f"SELECT count(*) {OF_CHILD} AND state = 'active' AND query LIKE :like"
        poll(lambda: ask(self.engine, query, like=f"%{statement}%") == 1)

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def end(self, *, within: float = PATIENCE) -> tuple[int, str]:
        """Return the exit status, negative for a signal, and what it said."""
        _, err = self.process.communicate(timeout=within)
        return self.process.returncode, err


class Starter:
    """The fixture `start`: `start(code)` runs `code` inside the child's transaction."""

    def __init__(self, engine: Engine, stack: contextlib.ExitStack) -> None:
        self.engine = engine
        self.stack = stack

    def __call__(
        self, code: str, *, prelude: str = PRELUDE, url: URL | None = None, **options: Any
    ) -> Child:
        address = (url or self.engine.url).render_as_string(hide_password=False)
        process = subprocess.Popen(
            [sys.executable, "-c", prelude + indent(dedent(code), " " * 4) + EPILOGUE],
            env={**os.environ, "DATABASE_URL": address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.stack.callback(process.communicate)
        self.stack.callback(process.kill)
        return Child(process, self.engine)


@pytest.fixture
def start(engine: Engine) -> Iterator[Starter]:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (text text)"))
    with contextlib.ExitStack() as stack:
        yield Starter(engine, stack)


def notes(engine: Engine) -> int:
    return int(ask(engine, "SELECT count(*) FROM note"))


def backends(engine: Engine) -> int:
    return int(ask(engine, f"SELECT count(*) {OF_CHILD}"))


def assert_nothing_is_left(child: Child) -> None:
    poll(lambda: backends(child.engine) == 0)
    assert notes(child.engine) == 0


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_cancels_the_running_statement_and_rolls_back(
    start: Starter, signum: int, status: int
) -> None:
    child = start(SLEEP)
    child.wait_until_running("pg_sleep")
    child.signal(signum)
    assert child.end() == (status, "")
    assert_nothing_is_left(child)


def test_without_it_python_waits_for_the_end_of_the_statement(start: Starter) -> None:
    """What the module is for; if this fails it is no longer needed."""
    prelude = PRELUDE.replace("with interruptible() as interrupter, ", "with ").replace(
        "    interrupter.watch(connection)\n", ""
    )
    child = start(SLEEP, prelude=prelude)
    child.wait_until_running("pg_sleep")
    child.signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        child.end(within=1)


@pytest.mark.parametrize(
    "code",
    [
        "ready(); time.sleep(600)",
        "ready()\nwhile True: pass",
        "ready(); sys.stdin = os.pipe()[0]; os.read(sys.stdin, 1)",
    ],
    ids=["asleep", "busy", "reading"],
)
def test_a_signal_ends_python_code_as_well(start: Starter, code: str) -> None:
    child = start(code)
    child.wait_until_ready()
    child.signal(signal.SIGTERM)
    assert child.end() == (143, "")
    assert_nothing_is_left(child)


def test_code_that_swallows_every_exception_ends_all_the_same(start: Starter) -> None:
    child = start("""
        while True:
            try:
                connection.execute(text("SELECT pg_sleep(600)"))
            except Exception:
                connection.rollback()
    """)
    child.wait_until_running("pg_sleep")
    child.signal(signal.SIGTERM)
    assert child.end()[0] == 143
    assert_nothing_is_left(child)


def test_code_that_swallows_even_interrupted_ends_as_interrupted(start: Starter) -> None:
    """A bare `except:` goes on; the block still ends with the signal's status."""
    child = start("""
        try:
            connection.execute(text("SELECT pg_sleep(600)"))
        except:
            connection.rollback()
    """)
    child.wait_until_running("pg_sleep")
    child.signal(signal.SIGTERM)
    assert child.end() == (143, "")
    assert_nothing_is_left(child)


def test_a_statement_on_the_way_out_is_cancelled_too(start: Starter) -> None:
    child = start("""
        try:
            connection.execute(text("SELECT pg_sleep(600)"))
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_sleep(601)"))
    """)
    child.wait_until_running("pg_sleep(600)")
    child.signal(signal.SIGTERM)
    status, _ = child.end()
    assert status == 143
    assert_nothing_is_left(child)


def test_pressing_ctrl_c_twice_does_not_disturb_the_way_out(start: Starter) -> None:
    child = start("""
        try:
            connection.execute(text("SELECT pg_sleep(600)"))
        finally:
            time.sleep(0.2)
            connection.rollback()
            connection.execute(text("CREATE TABLE tidied_up ()"))
            connection.commit()
    """)
    child.wait_until_running("pg_sleep")
    child.signal(signal.SIGINT)
    for _ in range(3):
        time.sleep(0.05)
        child.signal(signal.SIGINT)
    status, _ = child.end()
    assert status == 130
    assert ask(child.engine, "SELECT to_regclass('tidied_up') IS NOT NULL")
    assert_nothing_is_left(child)


def test_a_second_signal_after_two_seconds_raises_again(start: Starter) -> None:
    child = start("""
        try:
            ready()
            time.sleep(600)
        except BaseException:
            ready()
            time.sleep(600)
    """)
    child.wait_until_ready()
    child.signal(signal.SIGINT)
    child.wait_until_ready()
    with pytest.raises(subprocess.TimeoutExpired):
        child.end(within=2.1)
    child.signal(signal.SIGINT)
    assert child.end()[0] == 130


def test_a_statement_that_survives_its_cancellation_is_left_behind(start: Starter) -> None:
    """The connection is cut; the server notices within client_connection_check_interval."""
    child = start("""
        connection.execute(text("SET client_connection_check_interval = '200ms'"))
        connection.exec_driver_sql(
            "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(600);"
            " EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
        )
    """)
    child.wait_until_running("DO $$")
    child.signal(signal.SIGTERM)
    assert child.end()[0] == 143
    assert_nothing_is_left(child)


def test_a_network_that_swallows_the_cancel_request_does_not_hold_the_process(
    start: Starter,
) -> None:
    proxy = start.stack.enter_context(Proxy(start.engine.url))
    child = start(SLEEP, url=proxy.url)
    child.wait_until_running("pg_sleep")
    proxy.stall_new()
    child.signal(signal.SIGTERM)
    assert child.end()[0] == 143


@pytest.mark.parametrize("libpq", [True, False], ids=["libpq", "psycopg2"])
def test_a_connection_of_the_driver_is_cancelled_with_and_without_libpq(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, libpq: bool
) -> None:
    """Some builds of psycopg2 do not let libpq be called."""
    if not libpq:
        monkeypatch.setattr(bridge.database.cancel, "_libpq", lambda: None)
    checked_out = engine.raw_connection()
    connection: Any = checked_out.driver_connection
    interrupter = Interrupter()
    interrupter.watch(connection)
    timer = threading.Timer(0.2, interrupter.cancel)
    timer.start()
    with pytest.raises(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")
    timer.join()
    assert not interrupter.busy()
    checked_out.close()
    assert connection.closed
    interrupter.cancel()
    assert not interrupter.busy()


def test_a_connection_is_no_longer_watched_after_its_context(engine: Engine) -> None:
    interrupter = Interrupter()
    with engine.connect() as connection:
        with interrupter.watch(connection):
            pass
        timer = threading.Timer(0.1, interrupter.cancel)
        timer.start()
        connection.execute(text("SELECT pg_sleep(0.3)"))
        timer.join()


def test_a_signal_that_the_process_ignores_stays_ignored(start: Starter) -> None:
    child = start(
        "ready()\ntime.sleep(1)", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    child.wait_until_ready()
    child.signal(signal.SIGHUP)
    assert child.end() == (0, "")
    assert notes(child.engine) == 1


def test_a_signal_to_a_forked_child_does_not_reach_the_parents_statement(start: Starter) -> None:
    child = start("""
        import signal
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, b".")
            time.sleep(600)
            os._exit(0)
        os.read(reader, 1)  # Python drops the signals of a child that is still being born
        os.kill(pid, signal.SIGTERM)
        connection.execute(text("SELECT pg_sleep(0.5)"))
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGTERM
    """)
    assert child.end() == (0, "")
    assert notes(child.engine) == 1


def test_handlers_and_wakeup_fd_are_put_back() -> None:
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    threads = threading.active_count()
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    previous = signal.set_wakeup_fd(writer.fileno())
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGTERM) != handlers[1]
        assert signal.set_wakeup_fd(-1) == writer.fileno()
    finally:
        signal.set_wakeup_fd(previous)
        reader.close()
        writer.close()
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    assert threading.active_count() == threads


def test_handlers_are_put_back_after_a_signal() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught, interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert str(caught.value) == "Interrupted by SIGTERM."
    assert signal.getsignal(signal.SIGTERM) == handler


def test_signals_of_others_reach_whoever_listened_before() -> None:
    """asyncio hears of its signals in this way."""
    reader, writer = socket.socketpair()
    reader.settimeout(PATIENCE)
    writer.setblocking(False)
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    previous = signal.set_wakeup_fd(writer.fileno())
    try:
        with interruptible():
            signal.raise_signal(signal.SIGUSR1)
            assert reader.recv(1) == bytes([signal.SIGUSR1])
    finally:
        signal.set_wakeup_fd(previous)
        signal.signal(signal.SIGUSR1, handler)
        reader.close()
        writer.close()


def test_an_error_that_follows_a_signal_does_not_hide_it() -> None:
    def fail_on_the_way_out() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            raise ValueError("the way out failed")

    with pytest.raises(Interrupted) as caught, interruptible():
        fail_on_the_way_out()
    assert str(caught.value.__cause__) == "the way out failed"
    assert caught.value.exit_code == 130


def test_a_swallowed_signal_can_be_asked_for() -> None:
    passed: list[str] = []

    def swallow_it() -> None:
        with interruptible() as interrupter:
            interrupter.check()
            passed.append("before")
            with contextlib.suppress(BaseException):
                signal.raise_signal(signal.SIGTERM)
            passed.append("after")
            interrupter.check()
            passed.append("never")

    with pytest.raises(Interrupted):
        swallow_it()
    assert passed == ["before", "after"]


@pytest.mark.parametrize(
    "wait",
    [lambda: sleep(600), lambda: call(threading.Event().wait, undo=lambda _: None)],
    ids=["sleep", "call"],
)
def test_a_signal_that_was_lost_ends_the_next_wait(wait: Callable[[], None]) -> None:
    """C code may clear what a handler raises in it."""

    def lose_it() -> None:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        wait()

    with pytest.raises(Interrupted) as caught, interruptible():
        lose_it()
    assert caught.value.exit_code == 143


def test_what_a_call_returns_to_nobody_is_undone() -> None:
    goes_on, undone = threading.Event(), threading.Event()

    def connect() -> str:
        signal.raise_signal(signal.SIGTERM)  # handled in the main thread, which waits
        goes_on.wait()
        return "a connection"

    with pytest.raises(Interrupted), interruptible():
        call(connect, undo=lambda made: undone.set() if made == "a connection" else None)
    assert not undone.is_set()
    goes_on.set()
    assert undone.wait(PATIENCE)


def test_one_block_inside_another_gives_the_outer_its_handlers_back() -> None:
    with interruptible():
        outer = signal.getsignal(signal.SIGTERM)
        with interruptible():
            assert signal.getsignal(signal.SIGTERM) != outer
        assert signal.getsignal(signal.SIGTERM) == outer


def test_outside_of_the_main_thread_nothing_is_installed() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with interruptible() as interrupter:
            interrupter.watch(object()).close()
            interrupter.check()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handler]
