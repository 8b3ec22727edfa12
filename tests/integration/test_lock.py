"""The migration lock, with real connections, threads and processes."""

from __future__ import annotations

import os
import re
import threading
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

import bridge.waiting
from bridge.database.driver import StandIn
from bridge.database.own_connection import guardable
from bridge.errors import LockLost, LockNotObtained
from bridge.locking.holder import (
    CONNECTION_ALIVE,
    LOCK_CLASS,
    MIGRATION_LOCK,
    UNLOCKED_NAME,
    Holder,
    holder,
)
from bridge.locking.session_lock import SessionLock
from bridge.reporting import events
from bridge.reporting.numbers import duration
from bridge.reporting.reporter import Reporter
from support.locked import hold_in_turn, holding, locked
from support.replicas import forked
from support.running import PATIENCE, advisory_locks, ask, do, is_alive, poll, terminate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\d+(\.\d)? s\)"
WAITERS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'bridge (waiting)'
"""
#: What the lock sets for its session, and puts back.
SETTINGS = (
    "application_name",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "client_connection_check_interval",
)


def setting(connection: Connection, name: str) -> str:
    return str(connection.scalar(text("SELECT current_setting(:name)"), {"name": name}))


def settings(connection: Connection) -> dict[str, str]:
    found = connection.execute(text("SELECT name, setting FROM pg_settings"))
    every = {row.name: row.setting for row in found}
    connection.rollback()
    return every


def alter_database(engine: Engine, name: str, value: str) -> None:
    do(engine, f"ALTER DATABASE \"{engine.url.database}\" SET {name} = '{value}'")


def pid_of(connection: Connection) -> int:
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    connection.rollback()
    return int(pid)


class Telling(Reporter):
    """Knows whether a wait was told of, and does what a test wants done then."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.waits: list[str] = []
        self.waiting = threading.Event()
        self._then = then

    def tell(self, event: events.Event) -> None:
        assert isinstance(event, events.WaitingForLock)
        self.waits.append(event.message)
        self.waiting.set()
        self._then()


class Waiter(threading.Thread):
    """Waits for the lock in another thread; `then` is done with it, and `result` tells of it."""

    def __init__(
        self, engine: Engine, then: Callable[[Connection], Any] = lambda _: "mine"
    ) -> None:
        super().__init__(daemon=True)
        self.told = Telling()
        self._engine = engine
        self._then = then
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with (
                self._engine.connect() as connection,
                locked(connection, wait=PATIENCE, reporter=self.told, lent=False),
            ):
                self._value = self._then(connection)
        except BaseException as error:  # noqa: BLE001 - for `result`
            self._error = error

    def waits(self) -> None:
        """Return when it waits."""
        assert self.told.waiting.wait(PATIENCE)

    def result(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._value


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
    with (
        holding(engine, "004_new_feature") as pid,
        pytest.raises(LockNotObtained) as caught,
        holding(engine),
    ):
        pytest.fail("two held it")
    assert re.fullmatch(
        r"The migration lock of this database was not obtained within 0 s: it is held by backend "
        rf"{pid} \(role \w+, [\w. ]+\), running 004_new_feature, {SINCE}\. Nothing was started\. "
        r"Run the same command again when that is done\. Only if you are sure that it hangs, end "
        rf"it with: SELECT pg_terminate_backend\({pid}\);",
        str(caught.value),
    )
    assert caught.value.exit_code == 75


def test_a_waiter_gets_the_lock_when_it_is_freed(engine: Engine) -> None:
    with holding(engine):
        waiter = Waiter(engine)
        waiter.waits()
        assert waiter.is_alive()
    assert waiter.result() == "mine"
    assert advisory_locks(engine) == 0


def test_many_processes_hold_it_one_after_the_other(engine: Engine) -> None:
    do(engine, "CREATE TABLE visit (id serial, event text)")
    url = engine.url.render_as_string(hide_password=False)
    ended = forked(6, hold_in_turn, url, environ=os.environ)
    assert {each.code for each in ended} == {0}, ended
    assert ask(engine, "SELECT string_agg(event, ' ' ORDER BY id) FROM visit") == " ".join(
        ["in out"] * 6
    )
    assert advisory_locks(engine) == 0


def test_a_waiter_is_told_who_holds_it_and_for_how_long_it_has_waited(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge.waiting, "TELL_EVERY", 1.0)

    def then() -> None:
        if len(told.waits) == 2:
            raise KeyboardInterrupt

    told = Telling(then)
    with (
        holding(engine, "004_new_feature") as pid,
        engine.connect() as connection,
        pytest.raises(KeyboardInterrupt),
        locked(connection, wait=PATIENCE, reporter=told),
    ):
        pytest.fail("two held it")
    held = rf"it is held by backend {pid} \(role \w+, [\w. ]+\), running 004_new_feature, {SINCE}\."
    first, second = told.waits
    assert re.fullmatch(rf"Waiting for the migration lock: {held}", first)
    assert re.fullmatch(rf"Waiting for the migration lock \(for [\d.]+ s so far\): {held}", second)


def test_waiting_ends_when_its_time_is_over(engine: Engine) -> None:
    with holding(engine):
        began = time.monotonic()
        with (
            pytest.raises(LockNotObtained, match=r"not obtained within 0\.7 s"),
            holding(engine, wait=0.7),
        ):
            pytest.fail("two held it")
        assert time.monotonic() - began >= 0.7


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("whose", ["of the engine", "of the database"])
def test_no_waiter_blocks_an_index_that_the_holder_builds_concurrently(
    database_url: URL, engine: Engine, isolation: Any, whose: str
) -> None:
    """It waits for each snapshot that is older than it, and for each holder of a lock it takes."""
    do(engine, "CREATE TABLE t (id int)")
    options = {}
    if whose == "of the engine":
        options = {"isolation_level": isolation}
    else:
        alter_database(engine, "default_transaction_isolation", isolation.lower())
    other = create_engine(database_url, poolclass=NullPool, **options)
    with other.connect() as connection, locked(connection):
        waiters = [Waiter(other) for _ in range(24)]
        for waiter in waiters:
            waiter.waits()
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"SET statement_timeout = '{PATIENCE}s'"))
        for number in range(3):
            connection.execute(text(f"CREATE INDEX CONCURRENTLY i{number} ON t (id)"))
        assert all(waiter.is_alive() for waiter in waiters)
    assert [waiter.result() for waiter in waiters] == ["mine"] * 24
    assert advisory_locks(engine) == 0


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_a_waiter_is_in_no_transaction_between_two_tries(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    alter_database(engine, "default_transaction_isolation", isolation)
    query = """
        SELECT state FROM pg_stat_activity WHERE datname = current_database()
           AND pid NOT IN (pg_backend_pid(), :holder)"""
    seen: list[str] = []

    def look(_seconds: float) -> None:
        seen.append(ask(engine, query, holder=pid))
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(bridge.waiting, "sleep", look)
    with holding(engine) as pid, pytest.raises(KeyboardInterrupt), holding(engine, wait=PATIENCE):
        pytest.fail("two held it")
    assert seen == ["idle"] * 3


def test_the_idle_holder_keeps_no_snapshot_and_no_lock_on_any_table(engine: Engine) -> None:
    with holding(engine, "001_first") as pid, engine.connect() as connection:
        kinds = connection.scalars(
            text("SELECT locktype FROM pg_locks WHERE pid = :pid ORDER BY 1"), {"pid": pid}
        ).all()
        look = "SELECT state, backend_xmin, backend_xid FROM pg_stat_activity WHERE pid = :pid"
        seen = connection.execute(text(look), {"pid": pid}).one()
    assert kinds == ["advisory", "advisory"]
    assert tuple(seen) == ("idle", None, None)


@pytest.mark.parametrize(
    "name",
    [
        "idle_session_timeout",
        "idle_in_transaction_session_timeout",
        "statement_timeout",
        "transaction_timeout",
    ],
)
def test_timeouts_of_the_database_do_not_end_an_idle_holder(engine: Engine, name: str) -> None:
    if ask(engine, "SELECT current_setting(:name, true)", name=name) is None:
        pytest.skip(f"this server has no {name}")
    alter_database(engine, name, "2s")
    with engine.connect() as connection, locked(connection) as right:
        if name == "idle_in_transaction_session_timeout":
            connection.execute(text("SELECT 1"))
        time.sleep(2.5)
        right.show("001_first")
        with suppress(LockNotObtained), holding(engine):
            pytest.fail("the lock was free")


def test_a_waiter_survives_that_the_server_ends_idle_sessions(engine: Engine) -> None:
    alter_database(engine, "idle_session_timeout", "1s")
    with holding(engine):
        waiter = Waiter(engine, pid_of)
        waiter.waits()
        pid = ask(engine, WAITERS.replace("count(*)", "pid"))
        time.sleep(3)
    assert waiter.result() == pid


def test_a_waiter_whose_connection_is_cut_goes_on_with_another(engine: Engine) -> None:
    with holding(engine):
        waiter = Waiter(engine)
        waiter.waits()
        cut = ask(engine, WAITERS.replace("count(*)", "pid"))
        terminate(engine, cut)
        poll(lambda: ask(engine, f"{WAITERS} AND pid <> {cut}"))
    assert waiter.result() == "mine"
    assert advisory_locks(engine) == 0


def test_a_connection_that_was_handed_in_and_cut_while_it_waited_is_not_made_anew(
    engine: Engine,
) -> None:
    """Another one would have another search_path, and other temporary tables."""
    with engine.connect() as connection, guardable(connection), holding(engine):
        told = Telling(lambda: terminate(engine, ask(engine, WAITERS.replace("count(*)", "pid"))))
        with (
            pytest.raises(LockNotObtained) as caught,
            locked(connection, wait=PATIENCE, reporter=told),
        ):
            pytest.fail("two held it")
    assert re.fullmatch(
        r"The connection that was handed in was cut while it waited for the migration lock \((?:"
        r"terminating connection due to administrator command|server closed the connection "
        r"unexpectedly)\)\. Nothing was started\. Hand in another connection, and try again\.",
        str(caught.value),
    )


def test_leaving_with_a_dead_connection_does_not_hide_the_error_in_flight(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        with holding(engine) as pid:
            terminate(engine, pid)
            raise ValueError("the real trouble")

    with pytest.raises(ValueError, match="the real trouble"):
        fail()
    assert caplog.text == ""
    with holding(engine):
        pass


def test_no_connection_is_opened_to_give_back_what_ended_with_its_session(engine: Engine) -> None:
    with engine.connect() as connection:
        with locked(connection):
            connection.invalidate()
        assert connection.invalidated


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
    with holding(engine, label), engine.connect() as connection:
        found = holder(connection)
    assert found is not None
    assert found.application_name == name
    assert found.migration == (name.removeprefix("bridge: ") if label else None)


def test_a_migration_is_shown_within_a_transaction_as_well(engine: Engine) -> None:
    """As in a rehearsal."""
    with engine.connect() as connection, locked(connection) as right, connection.begin():
        connection.execute(text("CREATE TABLE t ()"))
        right.show("001_first")
        with engine.connect() as other:
            found = holder(other)
        assert found is not None
        assert found.migration == "001_first"
    assert ask(engine, "SELECT to_regclass('t') IS NOT NULL")


def test_an_interrupted_wait_leaves_nothing_behind(pooled: Engine, engine: Engine) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pooled.connect() as connection:
        before = settings(connection)
        with (
            holding(engine),
            pytest.raises(KeyboardInterrupt),
            locked(connection, wait=PATIENCE, reporter=Telling(interrupt)),
        ):
            pytest.fail("two held it")
        assert settings(connection) == before
    assert advisory_locks(engine) == 0


@pytest.mark.parametrize("isolation", ["AUTOCOMMIT", "READ COMMITTED", "REPEATABLE READ"])
def test_a_connection_is_given_back_as_it_came(
    pooled: Engine, engine: Engine, isolation: Any
) -> None:
    with pooled.connect() as connection:
        connection.execution_options(isolation_level=isolation)
        for number, name in enumerate(SETTINGS):
            value = "the shop" if name == "application_name" else 1000 * (number + 1)
            if name.startswith("tcp_keepalives"):
                value = number + 10
            connection.execute(text(f"SET {name} = '{value}'"))
            connection.commit()
        before = settings(connection)
        for _ in range(2):
            with locked(connection) as right:
                right.show("001_first")
                during = settings(connection)
            assert settings(connection) == before
        driver: Any = connection.connection.dbapi_connection
        assert driver.autocommit == (isolation == "AUTOCOMMIT")
    assert during["idle_in_transaction_session_timeout"] == "0"
    assert advisory_locks(engine) == 0


def test_an_interval_that_someone_chose_is_left_alone(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection):
        assert setting(connection, "client_connection_check_interval") == "2s"
    alter_database(engine, "client_connection_check_interval", "7s")
    with engine.connect() as connection:
        with locked(connection):
            assert setting(connection, "client_connection_check_interval") == "7s"
            connection.rollback()
        assert setting(connection, "client_connection_check_interval") == "7s"


def test_the_lock_is_kept_through_commits_rollbacks_and_failed_statements(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection):
        connection.execute(text("SELECT 1"))
        connection.commit()
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1/0"))
        connection.rollback()
        assert advisory_locks(engine) == 2
        with pytest.raises(Exception, match="division by zero"):
            connection.execute(text("SELECT 1/0"))
    assert advisory_locks(engine) == 0


def test_a_session_that_may_still_hold_the_lock_goes_back_to_no_pool(
    pooled: Engine, engine: Engine
) -> None:
    """Whoever gets it next would keep everybody from migrating."""
    with pooled.connect() as connection:
        with locked(connection):
            pid = pid_of(connection)
            connection.execute(
                text("SELECT pg_advisory_unlock(:c, :o)"), {"c": LOCK_CLASS, "o": MIGRATION_LOCK}
            )
            connection.commit()
        assert connection.invalidated
    poll(lambda: not is_alive(engine, pid))
    assert advisory_locks(engine) == 0


def test_what_let_go_of_the_lock_gets_it_again_with_its_settings(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection) as right:
        right.show("001_first")
        connection.execute(text("SELECT pg_advisory_unlock_all(); RESET ALL"))
        connection.commit()
        assert advisory_locks(engine) == 0
        right.keep()
        right.keep()
        assert advisory_locks(engine) == 2
        assert setting(connection, "application_name") == "bridge: 001_first"
        assert setting(connection, "client_connection_check_interval") == "2s"
    assert advisory_locks(engine) == 0


def test_a_lock_that_another_has_taken_is_lost_for_good(engine: Engine) -> None:
    """The error may be swallowed, and the other one be done by the next time."""
    with engine.connect() as connection, locked(connection) as right:
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
        connection.commit()
        with holding(engine), pytest.raises(LockLost) as caught:
            right.keep()
        connection.rollback()
        with pytest.raises(LockLost):
            right.keep()
    assert str(caught.value) == (
        "The file let go of the migration lock, and another process has it now. Take what lets go "
        "of the session's locks, such as pg_advisory_unlock_all(), out of the file."
    )
    assert caught.value.exit_code == 75
    assert advisory_locks(engine) == 0


def test_databases_of_one_server_have_a_lock_each(
    engine: Engine, create_database: Callable[[], URL]
) -> None:
    second = create_engine(create_database(), poolclass=NullPool)
    with holding(engine) as pid, holding(second) as other, engine.connect() as connection:
        found = holder(connection)
        assert found is not None
        assert found.pid == pid != other
    with second.connect() as connection:
        assert holder(connection) is None


def test_a_role_that_may_not_look_still_sees_which_backend_and_which_migration(
    engine: Engine,
) -> None:
    role = f"bridge_weak_{os.getpid()}"
    with holding(engine, "004_new_feature") as pid, engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(f"SET ROLE {role}"))
        found = holder(connection)
        connection.rollback()
        assert found is not None
        assert (found.client, found.since, found.held) == (None, None, None)
        assert re.fullmatch(
            rf"backend {pid} \(role \w+, address not shown to this role\), "
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


# In a transaction of the caller's.


def test_inside_a_callers_transaction_the_lock_ends_with_its_commit(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t ()"))
        with locked(connection, in_transaction=True):
            assert setting(connection, "client_connection_check_interval") == "2s"
        assert advisory_locks(engine) == 2
        with pytest.raises(LockNotObtained), holding(engine):
            pytest.fail("the lock was free")
    assert ask(engine, "SELECT to_regclass('t') IS NOT NULL")
    assert advisory_locks(engine) == 0


def test_waiting_inside_a_callers_transaction_does_not_end_it(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t ()"))
        with (
            holding(engine),
            pytest.raises(LockNotObtained, match=r"Roll back, and try again when that is done\."),
            locked(connection, wait=0.3, in_transaction=True),
        ):
            pytest.fail("two held it")
        with locked(connection, in_transaction=True):
            pass
    assert ask(engine, "SELECT to_regclass('t') IS NOT NULL")


# Behind a pooler, which tells its clients a backend of its own invention.


class Told(StandIn):
    """What a pooler makes of a connection of the driver's."""

    info = SimpleNamespace(backend_pid=123456789)


@pytest.fixture
def pooler_between(monkeypatch: pytest.MonkeyPatch) -> None:
    def real(lock: SessionLock) -> Told:
        return Told(lock.connection.connection.dbapi_connection)

    monkeypatch.setattr(SessionLock, "real", property(real))


def claim(connection: Connection) -> None:
    """Make the claim of a transaction of a run behind a pooler."""
    connection.execute(
        text("SELECT pg_advisory_xact_lock(:c, :o)"), {"c": LOCK_CLASS, "o": CONNECTION_ALIVE}
    )


@pytest.mark.usefixtures("pooler_between")
def test_behind_a_pooler_nothing_stays_on_the_shared_session(
    pooled: Engine, engine: Engine
) -> None:
    with pooled.connect() as connection:
        before = settings(connection)
        with locked(connection) as right:
            assert (right.session, right.pooled is None) == (None, False)
            assert settings(connection) == before
            with pytest.raises(LockNotObtained, match="it is held by backend"), holding(engine):
                pytest.fail("the lock was free")
        assert settings(connection) == before
    assert advisory_locks(engine) == 0


@pytest.mark.usefixtures("pooler_between")
def test_who_says_that_there_is_no_pooler_is_believed(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection, pooler="no") as right:
        assert right.session is not None
        assert advisory_locks(engine) == 2


def test_who_says_that_there_is_a_pooler_is_believed(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection, pooler="yes") as right:
        assert right.pooled is not None
        assert advisory_locks(engine) == 1


@pytest.mark.parametrize("how", ["its claim", "its name"])
def test_what_a_killed_run_behind_a_pooler_left_excludes_a_direct_run(
    engine: Engine, how: str
) -> None:
    """Its lock is free, and a backend goes on with its transaction, or with a statement."""
    with engine.connect() as left:
        pid = pid_of(left)
        if how == "its claim":
            claim(left)
            go_on = threading.Thread()
        else:
            left.execution_options(isolation_level="AUTOCOMMIT")
            left.execute(text(f"SET application_name = '{UNLOCKED_NAME}'"))
            go_on = threading.Thread(target=sleep, args=[left], daemon=True)
            state = "SELECT state FROM pg_stat_activity WHERE pid = :pid"
        go_on.start()
        if how == "its name":
            poll(lambda: ask(engine, state, pid=pid) == "active")
        with pytest.raises(LockNotObtained) as caught, holding(engine):
            pytest.fail("the lock was free")
        assert advisory_locks(engine) == (1 if how == "its claim" else 0)
        waiter = Waiter(engine)
        waiter.waits()
        assert f"its process has ended, but its backend {pid} " in waiter.told.waits[0]
        assert waiter.is_alive()
        terminate(engine, pid)
        assert waiter.result() == "mine"
        go_on.join()
        left.invalidate()
    assert "An earlier migration run has ended, but its database connection was still working" in (
        str(caught.value)
    )
    assert str(caught.value).endswith(f"SELECT pg_terminate_backend({pid});")


def sleep(connection: Connection) -> None:
    with suppress(DBAPIError):
        connection.execute(text("SELECT pg_sleep(3600)"))
