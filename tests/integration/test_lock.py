"""The migration lock and the claim, with real connections, threads and processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

import bridge.locking.liveness
import bridge.locking.migration_lock
import bridge.waiting
from bridge.errors import LockLost, LockNotObtained
from bridge.locking.holder import (
    CONNECTION_ALIVE,
    LOCK_CLASS,
    MIGRATION_LOCK,
    Holder,
    holder,
)
from bridge.locking.liveness import claim
from bridge.locking.migration_lock import MigrationLock
from bridge.reporting.numbers import duration
from support.running import PATIENCE, advisory_locks, ask, poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+(\.\d)? s\)"


def setting(connection: Connection, name: str) -> str:
    return str(connection.scalar(text("SELECT current_setting(:name)"), {"name": name}))


def others(engine: Engine) -> int:
    """Count the connections to this database beside the asking one."""
    query = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
           AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    return int(ask(engine, query))


def alter_database(engine: Engine, name: str, value: str) -> None:
    with engine.begin() as connection:
        database = engine.url.database
        connection.execute(text(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'"))


def terminate(engine: Engine, pid: int) -> None:
    assert ask(engine, "SELECT pg_terminate_backend(:pid)", pid=pid)
    poll(lambda: not ask(engine, "SELECT count(*) FROM pg_stat_activity WHERE pid = :p", p=pid))


def pid_of(lock: MigrationLock) -> int:
    assert lock._connection is not None
    return int(lock._connection.scalar(text("SELECT pg_backend_pid()")))


class Background(threading.Thread):
    """A thread whose exception is raised again by `result`."""

    def __init__(self, work: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.value: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self.work()
        except BaseException as exc:  # noqa: BLE001
            self.error = exc

    def result(self) -> object:
        self.join(PATIENCE)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.value


@pytest.fixture
def pooled(database_url: URL) -> Iterator[Engine]:
    """An Engine that keeps its one connection between two uses."""
    engine = create_engine(database_url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


def test_the_keys_follow_their_recipe() -> None:
    unsigned = zlib.crc32(b"bridge")
    assert unsigned - (2**32 if unsigned >= 2**31 else 0) == LOCK_CLASS
    assert (MIGRATION_LOCK, CONNECTION_ALIVE) == (1, 2)


def test_a_second_process_is_refused_with_the_name_of_the_first(engine: Engine) -> None:
    with MigrationLock(engine, wait=0) as first:
        first.mark("004_new_feature")
        pid = pid_of(first)
        with pytest.raises(LockNotObtained) as caught, MigrationLock(engine, wait=0):
            pytest.fail("two held it")
    assert re.fullmatch(
        r"The migration lock of this database was not obtained within 0 s: it is held by backend "
        rf"{pid} \(role \w+, [\w. ]+\), running 004_new_feature, {SINCE}\. Nothing was started\. "
        r"Run the same command again when that is done\. Only if you are sure that it hangs, end "
        rf"it with: SELECT pg_terminate_backend\({pid}\);",
        str(caught.value),
    )
    assert caught.value.exit_code == 75


def test_the_advice_names_the_backend_that_runs_the_migration_first(engine: Engine) -> None:
    """Ending only the lock's connection would leave the migration running."""
    with (
        MigrationLock(engine, wait=0) as first,
        engine.connect() as connection,
        claim(connection, wait=0),
    ):
        worker = connection.scalar(text("SELECT pg_backend_pid()"))
        pid = pid_of(first)
        with pytest.raises(LockNotObtained) as caught, MigrationLock(engine, wait=0):
            pytest.fail("two held it")
    advice = f"SELECT pg_terminate_backend({worker}), pg_terminate_backend({pid});"
    assert str(caught.value).endswith(advice)


def test_a_waiter_gets_the_lock_when_it_is_freed(engine: Engine) -> None:
    waiting = threading.Event()

    def wait() -> str:
        with MigrationLock(engine, wait=PATIENCE, on_wait=lambda *_: waiting.set()):
            return "mine"

    with MigrationLock(engine, wait=0):
        waiter = Background(wait)
        assert waiting.wait(PATIENCE)
        assert waiter.is_alive()
    assert waiter.result() == "mine"
    assert advisory_locks(engine) == 0


def test_many_processes_hold_it_one_after_the_other(engine: Engine) -> None:
    code = """
import os
from sqlalchemy import create_engine, text
from bridge.locking.migration_lock import MigrationLock

engine = create_engine(os.environ["DATABASE_URL"])
with MigrationLock(engine, wait=20), engine.connect() as connection:
    for event in ("in", "out"):
        connection.execute(text("INSERT INTO visit (event) VALUES (:e)"), {"e": event})
        connection.commit()
        connection.execute(text("SELECT pg_sleep(0.1)"))
"""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visit (id serial, event text)"))
    processes = [start(code, engine) for _ in range(4)]
    for process in processes:
        assert process.communicate(timeout=PATIENCE)[1] == ""
        assert process.returncode == 0
    assert ask(engine, "SELECT string_agg(event, ' ' ORDER BY id) FROM visit") == " ".join(
        ["in out"] * 4
    )


def start(code: str, engine: Engine) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_waiter_is_told_who_holds_it_and_for_how_long_it_has_waited(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.waiting, "TELL_EVERY", 0.3)
    told: list[tuple[Holder | None, float]] = []

    def tell(who: Holder | None, waited: float) -> None:
        told.append((who, waited))
        if len(told) == 2:
            raise KeyboardInterrupt

    with MigrationLock(engine, wait=0) as first:
        first.mark("004_new_feature")
        with pytest.raises(KeyboardInterrupt):
            MigrationLock(engine, wait=PATIENCE, on_wait=tell).__enter__()
        pid = pid_of(first)
    who, waited = told[0]
    assert who is not None
    assert (who.pid, who.migration, who.worker_pid) == (pid, "004_new_feature", None)
    assert told[1][1] - waited >= 0.3


def test_waiting_ends_when_its_time_is_over(engine: Engine) -> None:
    with MigrationLock(engine, wait=0):
        began = time.monotonic()
        with pytest.raises(LockNotObtained, match=r"not obtained within 0\.7 s"):
            MigrationLock(engine, wait=0.7).__enter__()
        assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_neither_holder_nor_waiter_blocks_an_index_built_concurrently(
    database_url: URL, engine: Engine, isolation: Any
) -> None:
    other = create_engine(database_url, isolation_level=isolation)
    waiting = threading.Event()
    over = threading.Event()

    def wait() -> None:
        with MigrationLock(other, wait=PATIENCE, on_wait=lambda *_: waiting.set()):
            over.set()

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (id int)"))
    with MigrationLock(other, wait=0) as lock:
        lock.mark("001_index")
        waiter = Background(wait)
        assert waiting.wait(PATIENCE)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("SET statement_timeout = '5s'"))
            connection.execute(text("CREATE INDEX CONCURRENTLY i ON t (id)"))
        assert not over.is_set()
    waiter.result()
    other.dispose()


def test_a_waiter_is_in_no_transaction_between_two_tries(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = """
        SELECT state FROM pg_stat_activity WHERE datname = current_database()
           AND pid NOT IN (pg_backend_pid(), :holder)"""
    seen: list[str] = []

    def look(_seconds: float) -> None:
        seen.append(ask(engine, query, holder=holder_pid))
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(bridge.waiting, "sleep", look)
    with MigrationLock(engine, wait=0) as lock:
        holder_pid = pid_of(lock)
        with pytest.raises(KeyboardInterrupt):
            MigrationLock(engine, wait=PATIENCE).__enter__()
    assert seen == ["idle"] * 3


def test_the_idle_holder_keeps_no_snapshot_and_no_lock_on_any_table(engine: Engine) -> None:
    with MigrationLock(engine, wait=0) as lock:
        lock.mark("001_first")
        with engine.connect() as connection:
            found = holder(connection)
            assert found is not None
            kinds = connection.scalars(
                text("SELECT locktype FROM pg_locks WHERE pid = :pid ORDER BY 1"),
                {"pid": found.pid},
            ).all()
            xmin = connection.execute(
                text("SELECT backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = :pid"),
                {"pid": found.pid},
            ).one()
    assert kinds == ["advisory", "virtualxid"]
    assert tuple(xmin) == (None, None)


@pytest.mark.parametrize(
    "name", ["idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout"]
)
def test_timeouts_of_the_database_do_not_end_the_holder(engine: Engine, name: str) -> None:
    if ask(engine, "SELECT current_setting(:name, true)", name=name) is None:
        pytest.skip(f"this server has no {name}")
    alter_database(engine, name, "300ms")
    with MigrationLock(engine, wait=0) as lock:
        time.sleep(0.7)
        lock.mark("001_first")
        with contextlib.suppress(LockNotObtained), MigrationLock(engine, wait=0):
            pytest.fail("the lock was free")


def test_a_waiter_survives_that_the_server_cuts_idle_connections(engine: Engine) -> None:
    alter_database(engine, "idle_session_timeout", "100ms")
    waiting = threading.Event()

    def wait() -> str:
        with MigrationLock(engine, wait=PATIENCE, on_wait=lambda *_: waiting.set()):
            return "mine"

    with MigrationLock(engine, wait=0):
        waiter = Background(wait)
        assert waiting.wait(PATIENCE)
        time.sleep(1)
    assert waiter.result() == "mine"


def test_a_lock_whose_connection_was_cut_is_noticed_before_the_next_migration(
    engine: Engine,
) -> None:
    with MigrationLock(engine, wait=0) as lock:
        terminate(engine, pid_of(lock))
        with pytest.raises(LockLost) as caught:
            lock.mark("005_next")
    # The driver gets to read the server's last words, or only that the connection is closed.
    assert re.fullmatch(
        r"The connection that held the migration lock was cut \((terminating connection due to "
        r"administrator command|server closed the connection unexpectedly)\)\. No further "
        r"migration was started; those already applied stay applied\. Run the same command again\.",
        str(caught.value),
    )
    assert caught.value.exit_code == 75


def test_a_lock_that_is_gone_from_a_living_connection_is_noticed(engine: Engine) -> None:
    with MigrationLock(engine, wait=0) as lock:
        assert lock._connection is not None
        lock._connection.rollback()
        with pytest.raises(LockLost, match=r"was cut \(the server no longer lists the lock\)\."):
            lock.mark("005_next")


def test_in_a_series_of_quick_migrations_others_are_shown_one_that_lasts(engine: Engine) -> None:
    with MigrationLock(engine, wait=0) as lock, engine.connect() as connection:

        def shown() -> str | None:
            found = holder(connection)
            connection.rollback()
            return found.migration if found else None

        lock.may_begin("001_first")
        lock.show()
        assert shown() == "001_first"
        lock.may_begin("002_second")
        lock.may_begin("003_third")
        assert shown() == "001_first"
        lock.show()
        assert shown() == "003_third"


def test_an_index_built_concurrently_never_waits_for_who_shows_what_runs(engine: Engine) -> None:
    """It waits for each transaction that has a snapshot at its moment, up to its very end."""
    over = threading.Event()
    labels = itertools.count()

    def show() -> None:
        while not over.is_set():
            lock._wanted = f"{next(labels):03}_next"
            lock.show()

    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with MigrationLock(engine, wait=0) as lock, autocommit.connect() as connection:
        connection.execute(text("CREATE TABLE t (id int)"))
        connection.execute(text("SET statement_timeout = '15s'"))
        showing = Background(show)
        try:
            for number in range(40):
                connection.execute(text(f"CREATE INDEX CONCURRENTLY i{number} ON t (id)"))
        finally:
            over.set()
            showing.result()
    assert next(labels) > 40


def test_a_lock_that_was_there_a_moment_ago_is_not_asked_for_but_its_end_is_noticed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.locking.migration_lock, "TRUSTED", 3600.0)
    with MigrationLock(engine, wait=0) as lock:
        lock.may_begin("001_first")
        pid = pid_of(lock)
        asked = "SELECT state_change FROM pg_stat_activity WHERE pid = :pid"
        before = ask(engine, asked, pid=pid)
        lock.may_begin("002_second")
        assert ask(engine, asked, pid=pid) == before
        terminate(engine, pid)
        with pytest.raises(LockLost, match="was cut"):
            lock.may_begin("003_third")


def test_a_lock_is_asked_for_again_after_a_while(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.locking.migration_lock, "TRUSTED", 0.0)
    with MigrationLock(engine, wait=0) as lock:
        lock.may_begin("001_first")
        assert lock._connection is not None
        lock._connection.rollback()
        with pytest.raises(LockLost, match="no longer lists the lock"):
            lock.may_begin("002_second")


def test_a_lock_that_is_lost_while_a_migration_runs_is_told_before_the_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.locking.migration_lock, "TRUSTED", 3600.0)
    with MigrationLock(engine, wait=0) as lock:
        lock.may_begin("001_first")
        lock.may_begin("002_second")
        terminate(engine, pid_of(lock))
        lock.show()
        with pytest.raises(LockLost, match="was cut") as caught:
            lock.may_begin("003_third")
    assert caught.value.__cause__ is not None


def test_leaving_with_a_dead_connection_does_not_hide_the_error_in_flight(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        with MigrationLock(engine, wait=0) as lock:
            terminate(engine, pid_of(lock))
            raise ValueError("the real trouble")

    with pytest.raises(ValueError, match="the real trouble"):
        fail()
    assert caplog.text == ""
    with MigrationLock(engine, wait=0):
        pass


def test_marking_outside_of_the_block_is_a_mistake(engine: Engine) -> None:
    with MigrationLock(engine, wait=0) as lock:
        pass
    with pytest.raises(RuntimeError, match="marked outside of its with block"):
        lock.mark("001_first")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("", "bridge"),
        ("001_first", "bridge: 001_first"),
        ("001_größe", "bridge: 001_gr??e"),
        ("001_" + "x" * 80, "bridge: 001_" + "x" * 51),
        ("001_it's 100%", "bridge: 001_it's 100%"),
    ],
)
def test_the_migration_is_shown_as_application_name(engine: Engine, label: str, name: str) -> None:
    with MigrationLock(engine, wait=0) as lock, engine.connect() as connection:
        lock.mark(label)
        found = holder(connection)
    assert found is not None
    assert found.application_name == name
    assert found.migration == (name.removeprefix("bridge: ") if label else None)


def test_an_interrupted_wait_leaves_nothing_behind(engine: Engine) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with MigrationLock(engine, wait=0):
        with pytest.raises(KeyboardInterrupt):
            MigrationLock(engine, wait=PATIENCE, on_wait=interrupt).__enter__()
        poll(lambda: others(engine) == 1)


def test_a_pooled_connection_goes_back_as_it_came(pooled: Engine) -> None:
    names = ("application_name", "statement_timeout", "transaction_isolation")
    with pooled.connect() as connection:
        before = [setting(connection, name) for name in names]
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    repeatable = pooled.execution_options(isolation_level="REPEATABLE READ")
    with MigrationLock(repeatable, wait=0) as lock:
        lock.mark("001_first")
        assert pid_of(lock) == pid
    with pooled.connect() as connection:
        assert [setting(connection, name) for name in names] == before
        assert connection.scalar(text("SELECT pg_backend_pid()")) == pid
        assert holder(connection) is None


def test_databases_of_one_server_have_a_lock_each(
    engine: Engine, create_database: Callable[[], URL]
) -> None:
    second = create_engine(create_database())
    with (
        MigrationLock(engine, wait=0) as lock,
        MigrationLock(second, wait=0) as other,
        engine.connect() as connection,
    ):
        found = holder(connection)
        assert found is not None
        assert found.pid == pid_of(lock) != pid_of(other)
    with second.connect() as connection:
        assert holder(connection) is None
    second.dispose()


def test_a_role_that_may_not_look_still_sees_which_backend_and_which_migration(
    engine: Engine,
) -> None:
    role = f"bridge_weak_{os.getpid()}"
    with MigrationLock(engine, wait=0) as lock, engine.connect() as connection:
        lock.mark("004_new_feature")
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"SET ROLE {role}"))
        found = holder(connection)
        connection.rollback()
        assert found is not None
        assert (found.client, found.since, found.held) == (None, None, None)
        assert re.fullmatch(
            rf"backend {pid_of(lock)} \(role \w+, address not shown to this role\), "
            r"running 004_new_feature",
            str(found),
        )


def test_a_holder_is_told_in_one_clause() -> None:
    found = Holder(
        pid=4711,
        worker_pid=None,
        role="app",
        application_name="psql",
        client="10.0.0.5",
        since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        held=125.0,
        statement=None,
    )
    assert str(found) == (
        'backend 4711 (role app, from 10.0.0.5), application "psql", '
        "since 2026-01-02 03:04:05 UTC (2 min 5 s)"
    )


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (35.4, "35 s"),
        (59.9, "1 min 0 s"),
        (125, "2 min 5 s"),
        (300, "5 min 0 s"),
        (3900, "1 h 5 min"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


# The claim.


def test_a_claim_is_held_until_it_is_released_and_leaves_the_connection_idle(
    engine: Engine,
) -> None:
    with engine.connect() as connection:
        with claim(connection, wait=0) as taken:
            assert taken.held
            assert not connection.in_transaction()
            assert setting(connection, "client_connection_check_interval") == "2s"
            connection.rollback()
            connection.commit()
            assert advisory_locks(engine) == 1
        assert not connection.in_transaction()
        assert setting(connection, "client_connection_check_interval") == "0"
        assert advisory_locks(engine) == 0


def test_a_claim_ends_with_the_transaction_that_failed(engine: Engine) -> None:
    with engine.connect() as connection:
        taken = claim(connection, wait=0)
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1/0"))
        taken.release()
        assert advisory_locks(engine) == 0
        assert setting(connection, "client_connection_check_interval") == "0"


def test_an_interval_that_someone_chose_is_left_alone(engine: Engine) -> None:
    alter_database(engine, "client_connection_check_interval", "7s")
    with engine.connect() as connection:
        with claim(connection, wait=0):
            assert setting(connection, "client_connection_check_interval") == "7s"
        assert setting(connection, "client_connection_check_interval") == "7s"


def test_a_claim_on_a_connection_without_transactions(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with claim(connection, wait=0):
            assert advisory_locks(engine) == 1
            assert setting(connection, "client_connection_check_interval") == "2s"
        assert advisory_locks(engine) == 0


def test_a_claim_inside_a_callers_transaction_ends_with_it(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t ()"))
        taken = claim(connection, wait=0, in_transaction=True)
        assert not taken.held
        assert setting(connection, "client_connection_check_interval") == "2s"
        assert advisory_locks(engine) == 1
        taken.release()
        assert advisory_locks(engine) == 1
    assert ask(engine, "SELECT to_regclass('t') IS NOT NULL")
    assert advisory_locks(engine) == 0


def test_waiting_inside_a_callers_transaction_does_not_end_it(engine: Engine) -> None:
    with engine.connect() as first, engine.begin() as connection:
        connection.execute(text("CREATE TABLE t ()"))
        with claim(first, wait=0), pytest.raises(LockNotObtained):
            claim(connection, wait=0.3, on_wait=lambda *_: None, in_transaction=True)
        claim(connection, wait=0, in_transaction=True)
    assert ask(engine, "SELECT to_regclass('t') IS NOT NULL")


def test_a_transaction_that_was_not_announced_is_a_mistake(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(RuntimeError, match="outside of a trans"):
        claim(connection, wait=0)


def test_behind_a_pooler_nothing_stays_on_the_shared_session(
    pooled: Engine, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler tells its clients a backend id of its own invention."""
    monkeypatch.setattr(bridge.locking.liveness, "_backend_pid", lambda _: 123456789)
    with engine.connect() as direct:
        direct.execute(
            text("SELECT pg_advisory_lock(:c, :o)"), {"c": LOCK_CLASS, "o": CONNECTION_ALIVE}
        )
        with pooled.connect() as connection, pytest.raises(LockNotObtained):
            claim(connection, wait=0)
    # The server may take a moment to end the session that was just closed.
    with pooled.connect() as connection, claim(connection, wait=PATIENCE) as taken:
        assert not taken.held
        assert advisory_locks(engine) == 0
        assert setting(connection, "client_connection_check_interval") == "0"


def test_releasing_on_a_dead_connection_is_quiet(engine: Engine) -> None:
    with engine.connect() as connection, claim(connection, wait=0):
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        connection.commit()
        terminate(engine, pid)
    assert advisory_locks(engine) == 0


MIGRATOR = """
import os
from sqlalchemy import create_engine, text
from bridge.locking.liveness import claim
from bridge.locking.migration_lock import MigrationLock

engine = create_engine(os.environ["DATABASE_URL"])
with MigrationLock(engine, wait=0) as lock, engine.connect() as connection:
    with claim(connection, wait=0):
        lock.mark("001_slow")
        connection.execute(text("CREATE TABLE t AS SELECT 1 FROM pg_sleep(60)"))
        connection.commit()
"""


def test_after_kill_9_the_lock_is_free_and_the_claim_waits_for_the_backend(
    engine: Engine,
) -> None:
    busy = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE TABLE t%' AND datname = :d"
    process = start(MIGRATOR, engine)
    try:
        poll(lambda: ask(engine, busy, d=engine.url.database) is not None)
        pid = ask(engine, busy, d=engine.url.database)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with MigrationLock(engine, wait=PATIENCE), engine.connect() as connection:
        with pytest.raises(LockNotObtained) as caught:
            claim(connection, wait=0)
        assert not connection.in_transaction()
        # The server notices within client_connection_check_interval that the client is dead.
        claim(connection, wait=10).release()
    assert re.fullmatch(
        r"An earlier migration run has ended, but its database connection was still working after "
        rf"0 s: backend {pid} \(role \w+, [\w. ]+\), {SINCE}, \d+(\.\d)? s into its statement\. "
        r"What it does may still be committed, so nothing was started\. Run the same command "
        r"again when that is done\. Only if you are sure that it hangs, end it with: "
        rf"SELECT pg_terminate_backend\({pid}\);",
        str(caught.value),
    )
    assert ask(engine, "SELECT to_regclass('t') IS NULL")


def test_who_waits_for_an_earlier_connection_is_told_which(engine: Engine) -> None:
    told: list[Holder | None] = []
    with engine.connect() as first, engine.connect() as second, claim(first, wait=0):
        pid = first.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(LockNotObtained):
            claim(second, wait=0.3, on_wait=lambda who, _: told.append(who))
        assert not second.in_transaction()
    assert [who.pid for who in told if who is not None] == [pid]
