"""The lock of one target: beside those of others, never beside a run of the whole database."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

import bridge
from bridge.config.target import Target
from bridge.errors import LockNotObtained, MigrationError, UsageError
from bridge.locking.holder import LOCK_CLASS, MIGRATION_LOCK, WANTED, holder
from bridge.locking.scope import Scope
from bridge.locking.session_lock import SessionLock
from support.locked import locked
from support.recording import Recording
from support.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from support.project import Project

A, B = Target("a"), Target("b")
WAYS = [{"in_transaction": False}, {"in_transaction": True}]


@contextmanager
def held(engine: Engine, **how: Any) -> Iterator[Connection]:
    with engine.connect() as connection:
        if how.get("in_transaction"):
            connection.begin()
        with locked(connection, **how):
            yield connection


def refused(engine: Engine, **how: Any) -> str:
    with pytest.raises(LockNotObtained) as caught, held(engine, **how):
        pytest.fail("two held it")
    return str(caught.value)


@contextmanager
def older_release(engine: Engine) -> Iterator[None]:
    """Hold the one key that a release without targets knows, as it does."""
    with engine.connect() as connection:
        taken = f"SELECT pg_try_advisory_lock({LOCK_CLASS}, {MIGRATION_LOCK})"
        assert connection.scalar(text(taken)), "an older release did not get it"
        yield
        connection.execute(text("SELECT pg_advisory_unlock_all()"))


def until(tenants: Tenants, question: str) -> None:
    """Wait until the database has an answer."""
    give_up = time.monotonic() + 60
    while not tenants.ask(question):
        assert time.monotonic() < give_up, question
        time.sleep(0.02)


def locks(engine: Engine) -> int:
    """Count the keys of bridge that anybody has in this database."""
    with engine.connect() as connection:
        counted = connection.scalar(
            text(
                "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database "
                "WHERE locktype = 'advisory' AND classid = :lock_class "
                "AND datname = current_database()"
            ),
            {"lock_class": LOCK_CLASS},
        )
    return int(counted or 0)


# Who excludes whom


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_two_targets_go_beside_each_other(engine: Engine, first: Any, second: Any) -> None:
    with held(engine, target=A, **first), held(engine, target=B, **second):
        pass
    assert locks(engine) == 0


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize(
    ("one", "other"), [(A, A), (A, None), (None, A)], ids=["itself", "whole", "by-whole"]
)
def test_nobody_goes_beside_the_same_target_or_the_whole(
    engine: Engine, one: Target | None, other: Target | None, first: Any, second: Any
) -> None:
    with held(engine, target=one, **first):
        refused(engine, target=other, **second)
    with held(engine, target=other, **second):
        pass
    assert locks(engine) == 0


def test_an_older_release_and_a_target_exclude_each_other(engine: Engine) -> None:
    with older_release(engine):
        refused(engine, target=A)
    with held(engine, target=A), pytest.raises(AssertionError, match="did not get it"):
        older_release(engine).__enter__()


def test_a_target_that_is_a_database_has_it_as_a_whole() -> None:
    assert Scope.of(Target("a", url="postgresql://h/a")) == Scope()


def test_no_target_begins_while_somebody_waits_for_the_whole(engine: Engine) -> None:
    with engine.connect() as waiting, held(engine, target=A):
        whole = SessionLock(waiting, lent=True)
        assert whole.attempt() == "held"
        assert whole.attempt() == "held"
        told = refused(engine, target=B)
        pid = waiting.scalar(text("SELECT pg_backend_pid()"))
        waiting.rollback()
        assert f"it is held by backend {pid} " in told
        whole.release()
        with held(engine, target=B):
            pass
    assert locks(engine) == 0


def test_who_has_got_the_whole_waits_for_it_no_longer(engine: Engine) -> None:
    with engine.connect() as waiting:
        whole = SessionLock(waiting, lent=True)
        with held(engine, target=A):
            whole.attempt()
        assert whole.attempt() == "ours"
        with engine.connect() as other:
            assert holder(other, keys=(WANTED,)) is None
        whole.release()
    assert locks(engine) == 0


# What is told


def test_the_target_and_its_holder_are_named(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection, target=A) as right:
        right.show("004_users")
        told = refused(engine, target=A)
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    lock = "The migration lock of the target a was not obtained within 0 s"
    assert told.startswith(f"{lock}: it is held by backend {pid} ")
    assert ", running 004_users (a), since " in told


def test_a_wait_names_the_target(engine: Engine) -> None:
    reporter = Recording()
    with held(engine, target=A):
        refused(engine, target=A, wait=0.5, reporter=reporter)
    assert reporter.waits[0].startswith("Waiting for the migration lock of the target a: it is")


def test_each_target_has_its_own_worker(engine: Engine) -> None:
    with ExitStack() as stack:
        for target in (A, B, Target("c")):
            connection = stack.enter_context(held(engine, target=target))
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            connection.rollback()
            with engine.connect() as other:
                keys = Scope.of(target).held_by
                found = holder(other, keys=keys, alone=True)
            assert found is not None
            assert (found.pid, found.worker_pid) == (pid, pid)


# A file that touches the database as a whole


def test_a_file_may_have_the_whole_for_itself(engine: Engine) -> None:
    with engine.connect() as connection, locked(connection, target=A) as right:
        right.spread(True)
        refused(engine, target=B)
        refused(engine)
        right.spread(False)
        with held(engine, target=B):
            pass
        refused(engine, target=A)
        right.spread(True)
    assert locks(engine) == 0


def test_a_file_does_not_get_the_whole_beside_another_target(engine: Engine) -> None:
    with (
        held(engine, target=B),
        engine.connect() as connection,
        locked(connection, target=A) as right,
    ):
        with pytest.raises(LockNotObtained) as caught:
            right.spread(True)
        assert (
            ". The next migration touches the database as a whole and was not started; those "
            "before stay. Run the same command again when that is done." in str(caught.value)
        )
    assert locks(engine) == 0


def test_two_files_that_want_the_whole_get_it_in_turn(engine: Engine) -> None:
    done: list[str] = []
    both = threading.Barrier(2)

    def run(target: Target) -> None:
        with engine.connect() as connection, locked(connection, target=target, wait=60) as right:
            both.wait(60)
            right.spread(True)
            refused(engine, target=Target("c"))
            done.append(target.name)

    threads = [threading.Thread(target=run, args=(target,)) for target in (A, B)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(done) == ["a", "b"]
    assert locks(engine) == 0


def test_a_target_takes_its_lock_again_after_its_file_has_let_go(engine: Engine) -> None:
    for wide in (False, True):
        with engine.connect() as connection, locked(connection, target=A) as right:
            right.spread(wide)
            connection.execute(text("SELECT pg_advisory_unlock_all()"))
            connection.rollback()
            right.keep()
            refused(engine, target=A)
            refused(engine)
        assert locks(engine) == 0


# Runs

SHARED = """
from sqlalchemy import text

description = "one for all"
shared = {shared}


def upgrade(db):
    db.execute(text("SELECT pg_advisory_lock(7, 7), pg_advisory_unlock(7, 7)"))
    db.execute(text("CREATE TABLE two (id bigint)"))
    db.commit()
"""


@pytest.fixture
def tenants(project: Project) -> Tenants:
    tenants = Tenants.of(project)
    tenants.schemas("a", "b")
    tenants.files("001_one", "003_three")
    return tenants


def stopped_in_its_file(
    tenants: Tenants, engine: Engine, *, shared: bool, beside: str, file: str = "002_two"
) -> list[str]:
    """Run target a up to the middle of a file, then target b for a moment; return b's tables."""
    tenants.project.write(file, SHARED.format(shared=shared))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            bridge.upgrade(tenants.project.url, target="a", **tenants.where)
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    with engine.connect() as gate:
        gate.execute(text("SELECT pg_advisory_lock(7, 7)"))
        gate.commit()
        thread = threading.Thread(target=run)
        thread.start()
        until(
            tenants,
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND query LIKE '%pg_advisory_lock(7%' AND pid <> pg_backend_pid()",
        )
        # In a process of its own: in one process threads take turns.
        done = tenants.project.program(
            "python",
            "-c",
            "import bridge\n"
            f"bridge.upgrade(section='tenants', target={beside!r}, to='001_one',"
            " wait_for_lock=0.5)",
        )
        gate.execute(text("SELECT pg_advisory_unlock(7, 7)"))
        gate.commit()
        thread.join(60)
    assert failed == []
    assert tenants.rows("a") == ["001_one", "002_two", "003_three"]
    return [] if "LockNotObtained" in done.stderr else tenants.tables(beside)


def test_tenants_of_one_database_run_beside_each_other(tenants: Tenants, engine: Engine) -> None:
    assert stopped_in_its_file(tenants, engine, shared=False, beside="b") == ["one"]


def test_a_file_that_says_shared_runs_alone(tenants: Tenants, engine: Engine) -> None:
    assert stopped_in_its_file(tenants, engine, shared=True, beside="b") == []


def test_what_a_failed_shared_file_had_is_given_back(tenants: Tenants, engine: Engine) -> None:
    tenants.project.write("002_two", SHARED.format(shared=True) + "    1 / 0\n")
    with pytest.raises(MigrationError):
        bridge.upgrade(tenants.engine, target="a", **tenants.where)
    assert locks(engine) == 0


def test_another_meaning_of_the_name_shared_is_left_alone(tenants: Tenants) -> None:
    tenants.project.write("002_two", SHARED.format(shared="['a', 'b']"))
    bridge.upgrade(tenants.project.url, target="a", **tenants.where)
    assert tenants.rows("a") == ["001_one", "002_two", "003_three"]


def test_a_target_behind_a_pooler_is_refused(tenants: Tenants) -> None:
    with pytest.raises(UsageError) as caught:
        bridge.upgrade(
            tenants.project.url,
            target="a",
            config=tenants.project.ini((tenants.config).read_text(), extra="pooler = yes"),
            section="tenants",
        )
    assert str(caught.value) == (
        "A pooler such as PgBouncer stands before this database, and the target a needs a session "
        "of its own for its search_path and its lock. Nothing was started. Set "
        "MIGRATION_DATABASE_URL, or the target's URL, to the address of the server itself; if "
        "there is no pooler, set pooler = no."
    )
    assert tenants.tables("a") == []
