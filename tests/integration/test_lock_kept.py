"""Files that let go of the session's advisory locks, the migration lock among them."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

import bridge
import support.locked
from bridge.errors import LedgerError, MigrationError, TryAgain
from support.locked import holding
from support.running import (
    CREATE_LOG,
    PATIENCE,
    advisory_locks,
    ask,
    do,
    logged,
    migration,
    recorded,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from support.project import Project

FIRST, SECOND, THIRD = "001_first", "002_second", "003_third"
OF_SESSION = "SELECT pg_advisory_unlock_all()"
HIDDEN = "SELECT let_go()"
LETS_GO = "CREATE FUNCTION let_go() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()'"

#: What a file says to note in the table `held` how many locks its session holds.
LOOK = """
    raw.cursor().execute(
        "CREATE TABLE IF NOT EXISTS held AS SELECT count(*) AS locks, "
        "current_setting('application_name') AS name, "
        "current_setting('client_connection_check_interval') AS interval, "
        "current_setting('work_mem') AS work_mem "
        "FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    )
"""


def upgrade(project: Project, **settings: Any) -> list[str]:
    assert project.url is not None
    report = bridge.upgrade(
        project.url.render_as_string(hide_password=False),
        config=project.path / "alembic.ini",
        **settings,
    )
    return [each.stem for each in report.applied]


@pytest.mark.parametrize("transaction", ["default", "atomic", "autocommit"])
@pytest.mark.parametrize("statement", [OF_SESSION, HIDDEN])
def test_what_a_file_let_go_of_is_taken_again(
    project: Project, engine: Engine, transaction: str, statement: str
) -> None:
    do(engine, CREATE_LOG, LETS_GO)
    head = f'transaction = "{transaction}"'
    for stem in (FIRST, SECOND):
        project.write(stem, migration(stem, statement, head=head))
    count = "INSERT INTO log (stem) SELECT count(*)::text FROM pg_locks "
    count += "WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    project.write(THIRD, migration(THIRD, count))
    assert upgrade(project) == [FIRST, SECOND, THIRD]
    assert recorded(engine) == [FIRST, SECOND, THIRD]
    assert "2" in logged(engine)
    assert advisory_locks(engine) == 0


#: Keeps one insert, lets go of the lock, and another process takes it.
TAKEN = """
from support import locked
from sqlalchemy import text

def upgrade(db):
    db.execute(text("INSERT INTO log (stem) VALUES ('kept')"))
    db.commit()
    db.execute(text("INSERT INTO log (stem) VALUES ('lost')"))
    db.execute(text("SELECT let_go()"))
    locked.elsewhere()
    {then}
"""


@pytest.mark.parametrize(
    "then",
    [
        "pass",
        'db.execute(text("SELECT pg_advisory_unlock(1, 1)"))',
        """try:
        db.execute(text("SELECT pg_advisory_unlock(1, 1)"))
    except Exception:
        db.rollback()
    locked.elsewhere()""",
    ],
    ids=["it ends", "it goes on", "it swallows the error, and the other process ends"],
)
def test_where_another_process_has_the_lock_nothing_is_recorded(
    project: Project, engine: Engine, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    do(engine, CREATE_LOG, LETS_GO)
    project.write(FIRST, migration(FIRST))
    project.write(SECOND, TAKEN.format(then=then))
    project.write(THIRD, migration(THIRD))
    with ExitStack() as stack:

        def elsewhere() -> None:
            if advisory_locks(engine):
                stack.close()
            else:
                stack.enter_context(holding(engine, wait=PATIENCE))

        monkeypatch.setattr(support.locked, "elsewhere", elsewhere, raising=False)
        with pytest.raises(TryAgain) as caught:
            upgrade(project)
    assert caught.value.exit_code == 75
    told = str(caught.value)
    assert "The file let go of the migration lock, and another process has it now." in told
    assert (
        "It had made 1 commit, at line 7: what it did up to there stays. Everything after it was "
        "rolled back. What it did over another connection may stay. It is not recorded as applied. "
        "001_first was applied before it and stays so."
    ) in told
    assert recorded(engine) == [FIRST]
    assert logged(engine) == [FIRST, "kept"]
    assert advisory_locks(engine) == 0


@pytest.mark.parametrize("statement", ["DISCARD ALL", "\n discard  all; "])
def test_a_file_that_discards_all_keeps_the_lock(
    project: Project, engine: Engine, statement: str
) -> None:
    """Not even for a moment it lets go of it; a lock of the file's own, which stays, shows that."""
    project.write(
        FIRST,
        f"""
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    raw = db.connection().connection
    db.execute(text("SET work_mem = '7MB'"))
    db.execute(text("SELECT pg_advisory_lock(99)"))
    db.execute(text("CREATE TEMP TABLE mine ()"))
    db.execute(text("PREPARE mine AS SELECT 1"))
    db.execute(text({statement!r}))
    gone = "SELECT to_regclass('mine') IS NULL AND NOT EXISTS (SELECT FROM pg_prepared_statements)"
    assert db.scalar(text(gone))
{LOOK}
""",
    )
    assert_kept(project, engine)


RESETTING = f"""
from sqlalchemy import text
def upgrade(db):
    raw = db.connection().connection.dbapi_connection
    db.execute(text("SELECT pg_advisory_lock(99)"))
    db.execute(text("CREATE TABLE lost ()"))
    {{before}}
    raw.reset()
    assert (raw.isolation_level, raw.readonly, raw.deferrable) == (None, None, None)
    assert not raw.autocommit
    raw.cursor().execute("SET LOCAL work_mem = '6MB'")
    raw.rollback()
{LOOK}
    raw.commit()
"""


@pytest.mark.parametrize(
    "before",
    [
        "raw.cursor().execute(\"SET work_mem = '7MB'\")",
        "raw.rollback(); raw.set_session(isolation_level=3, readonly=True, deferrable=True)",
        "raw.rollback(); raw.autocommit = True; raw.cursor().execute('SET DateStyle = German')",
        "raw.cursor().execute('ROLLBACK')",
    ],
    ids=["in a transaction", "after set_session", "in autocommit", "after a ROLLBACK as text"],
)
def test_a_file_that_resets_the_drivers_connection_keeps_the_lock(
    project: Project, engine: Engine, before: str
) -> None:
    project.write(FIRST, RESETTING.format(before=before))
    assert_kept(project, engine)
    assert ask(engine, "SELECT to_regclass('lost') IS NULL")


def assert_kept(project: Project, engine: Engine) -> None:
    """The file ran, and found the lock and bridge's settings, and none of its own."""
    assert upgrade(project) == [FIRST]
    with engine.connect() as connection:
        locks, name, interval, memory = connection.execute(text("SELECT * FROM held")).one()
    assert (locks, name, interval) == (3, f"bridge: {FIRST}", "2s")
    assert memory == ask(engine, "SHOW work_mem")
    assert advisory_locks(engine) == 0


def test_discard_all_within_a_transaction_fails_as_ever(project: Project, engine: Engine) -> None:
    do(engine, CREATE_LOG)
    project.write(FIRST, migration(FIRST, "DISCARD ALL"))
    with pytest.raises(MigrationError, match="DISCARD ALL cannot run inside a transaction block"):
        upgrade(project)
    assert logged(engine) == []


def test_a_role_that_may_not_take_advisory_locks_is_told_so(
    project: Project, engine: Engine
) -> None:
    """The statement goes past SQLAlchemy, and its error is the driver's."""
    name = f"bridge_kept_{secrets.token_hex(4)}"
    takes = "FUNCTION pg_catalog.pg_try_advisory_lock(integer, integer)"
    project.write(FIRST, "def upgrade(db): ...")
    do(
        engine,
        f"CREATE ROLE {name} LOGIN PASSWORD 'secret'",
        f"GRANT CREATE ON SCHEMA public TO {name}",
        f"REVOKE EXECUTE ON {takes} FROM PUBLIC",
    )
    url = engine.url.set(username=name, password="secret")
    try:
        with pytest.raises(LedgerError, match="permission denied for function pg_try_advisory"):
            upgrade(replace(project, url=url))
    finally:
        do(engine, f"GRANT EXECUTE ON {takes} TO PUBLIC", f"DROP OWNED BY {name}")
        do(engine, f"DROP ROLE {name}")
