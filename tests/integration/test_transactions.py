"""What belongs to which transaction, and what a run leaves of its connection."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

import bridge
from bridge.errors import Disturbed, MigrationError
from bridge.execution.watcher import Watcher
from support.both import FIRST, migration, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.project import Project


@pytest.fixture(autouse=True)
def _table(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(FIRST))


@pytest.fixture
def pooled(engine: Engine) -> Iterator[Engine]:
    """An Engine as a service has it, which keeps its connections."""
    pooled = create_engine(engine.url)
    yield pooled
    pooled.dispose()


def write(project: Project, *bodies: str) -> None:
    for number, body in enumerate(bodies, start=1):
        project.write(f"{number:03}_file", migration(body))


def upgrade(project: Project, *bodies: str, on: Any = None, ini: str = "") -> bridge.Report:
    write(project, *bodies)
    config = project.ini(extra=ini)
    assert project.url is not None
    url = project.url.render_as_string(hide_password=False)
    return bridge.upgrade(url if on is None else on, config=config)


def failure(project: Project, *bodies: str, on: Any = None, ini: str = "") -> str:
    with pytest.raises((MigrationError, Disturbed)) as caught:
        upgrade(project, *bodies, on=on, ini=ini)
    return str(caught.value)


def left(project: Project) -> tuple[list[str], list[str]]:
    """What is recorded, and the rows of `t`."""
    assert project.url is not None
    now = outcome(project.url)
    return now.recorded, now.rows["t"]


ATOMIC = 'transaction = "atomic"\n'
AUTOCOMMIT = 'transaction = "autocommit"\n'


def file(mode: str, body: str) -> str:
    """A file that says how it runs."""
    lines = migration(body).removeprefix(migration("def upgrade(): pass").split("def upgrade")[0])
    return mode + lines


TWO_COMMITS = """
run(db, "INSERT INTO t VALUES (1)")
db.commit()
run(db, "INSERT INTO t VALUES (2)")
db.commit()
"""


def test_in_atomic_commits_are_savepoints_and_a_failure_leaves_nothing(project: Project) -> None:
    upgrade(
        project, file(ATOMIC, TWO_COMMITS + 'run(db, "INSERT INTO t VALUES (3)")\ndb.rollback()')
    )
    assert left(project) == (["001_file"], ["(1,)", "(2,)"])
    project.write(
        "002_file", migration(file(ATOMIC, "run(db, 'DELETE FROM t'); db.commit(); 1 / 0"))
    )
    message = failure(project)
    assert "ZeroDivisionError: division by zero\nEverything it did was rolled back." in message
    assert left(project) == (["001_file"], ["(1,)", "(2,)"])


@pytest.mark.parametrize(
    "end",
    [
        'run(db, "COMMIT")',
        'run(db, " /* so */ rollback work ")',
        'run(db, "INSERT INTO t VALUES (2); COMMIT; INSERT INTO t VALUES (3)")',
    ],
)
def test_in_atomic_the_file_cannot_end_the_transaction(project: Project, end: str) -> None:
    message = failure(project, file(ATOMIC, f'run(db, "INSERT INTO t VALUES (1)")\n{end}'))
    assert 'This file runs as transaction = "atomic", all or nothing, and tried to end' in message
    assert left(project) == ([], [])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("raw.reset()", "reset"),
        ("raw.set_session(readonly=True)", "set_session"),
        ("raw.isolation_level = 'SERIALIZABLE'", "isolation_level"),
        ("raw.set_isolation_level(3)", "isolation_level"),
        ("raw.tpc_begin('x')", "tpc_begin"),
        ("raw.autocommit = True", "autocommit"),
    ],
)
def test_in_atomic_the_file_cannot_change_its_transactions(
    project: Project, change: str, name: str
) -> None:
    body = 'run(db, "INSERT INTO t VALUES (1)")\nraw = db.connection().connection.dbapi_connection'
    message = failure(project, file(ATOMIC, f"{body}\n{change}"))
    assert 'This file runs as transaction = "atomic", all or nothing, and tried to' in message
    assert f"({name})" in message
    assert left(project) == ([], [])


def test_in_atomic_a_body_of_a_function_may_hold_any_word(project: Project) -> None:
    upgrade(
        project,
        file(
            ATOMIC,
            '''
            run(db, """CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $body$
                BEGIN RETURN 1; END; $body$""")
            run(db, """CREATE FUNCTION g() RETURNS int LANGUAGE sql
                BEGIN ATOMIC SELECT 1; END""")
            run(db, "INSERT INTO t VALUES (1, '; COMMIT')")
            with db.begin_nested():
                run(db, "INSERT INTO t VALUES (2)")
            run(db, "SAVEPOINT s")
            run(db, "ROLLBACK TO SAVEPOINT s")
            ''',
        ),
    )
    assert left(project)[0] == ["001_file"]


def test_in_atomic_a_deferred_constraint_fails_the_file_and_not_its_record(
    project: Project,
) -> None:
    message = failure(
        project,
        file(
            ATOMIC,
            """
            run(db, "CREATE TABLE c (n int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
            run(db, "INSERT INTO c VALUES (1)")
            db.commit()
            """,
        ),
    )
    assert ", line 1" in message
    assert "at the COMMIT, which checks deferred constraints" in message


def test_in_atomic_a_failure_that_was_swallowed_is_told(project: Project) -> None:
    body = """
    try:
        run(db, "SELECT 1 / 0")
    except Exception:
        pass
    """
    assert "A statement failed (division by zero) and the file went on" in failure(
        project, file(ATOMIC, body)
    )


def test_autocommit_runs_what_refuses_a_transaction(project: Project) -> None:
    upgrade(
        project,
        file(
            AUTOCOMMIT,
            """
            run(db, "INSERT INTO t VALUES (1)")
            run(db, "CREATE INDEX CONCURRENTLY i ON t (note)")
            db.commit()
            run(db, "VACUUM t")
            """,
        ),
        'run(db, "INSERT INTO t VALUES (2)")',
    )
    assert left(project) == (["001_file", "002_file"], ["(1,)", "(2,)"])


INVALID = """
run(db, "INSERT INTO t VALUES (1, 'same'), (2, 'same')")
try:
    run(db, "CREATE UNIQUE INDEX CONCURRENTLY twice ON t (note)")
except Exception:
    pass
"""


def test_an_index_left_invalid_is_an_error_that_names_it(project: Project) -> None:
    message = failure(project, file(AUTOCOMMIT, INVALID))
    assert (
        "The index twice is INVALID: it was not finished, it is never used, and IF NOT EXISTS "
        "takes it for done. Type: DROP INDEX CONCURRENTLY twice; and then run again." in message
    )
    project.write("001_file", migration(INVALID.replace("twice ON", "IF NOT EXISTS twice ON")))
    for again in ("INDEX CONCURRENTLY IF NOT EXISTS", "INDEX IF NOT EXISTS"):
        body = f'run(db, "CREATE UNIQUE {again} twice ON t (note)")'
        mode = AUTOCOMMIT if "CONC" in again else ""
        assert "The index twice is INVALID" in failure(project, file(mode, body))
    assert left(project)[0] == []


def test_an_index_left_invalid_by_the_failure_is_named_with_it(project: Project) -> None:
    body = "run(db, \"INSERT INTO t VALUES (1, 'same'), (2, 'same')\")\n"
    body += 'run(db, "CREATE UNIQUE INDEX CONCURRENTLY ON t (note)")'
    message = failure(project, file(AUTOCOMMIT, body))
    assert "could not create unique index" in message
    assert "Type: DROP INDEX CONCURRENTLY t_note_idx;" in message


def test_an_invalid_index_of_others_is_no_error(project: Project, engine: Engine) -> None:
    with pytest.raises(MigrationError):
        upgrade(project, file(AUTOCOMMIT, INVALID))
    upgrade(
        project,
        file(
            AUTOCOMMIT,
            """
            run(db, "CREATE INDEX CONCURRENTLY twice_2 ON t (note)")
            run(db, "CREATE INDEX CONCURRENTLY not_twice ON t (note)")
            """,
        ),
    )
    assert left(project)[0] == ["001_file"]


def test_the_folder_has_a_default_and_a_file_its_own(project: Project) -> None:
    message = failure(project, TWO_COMMITS + "1 / 0", ini="transaction = atomic")
    assert "Everything it did was rolled back." in message
    assert left(project) == ([], [])
    own = 'transaction = "default"\n'
    message = failure(project, file(own, TWO_COMMITS + "1 / 0"), ini="transaction = atomic")
    assert "2 commits" in message
    assert left(project) == ([], ["(1,)", "(2,)"])


RETRY = """
values = {values}
run(db, "CREATE FUNCTION once(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN "
    "IF nextval('calls') = 1 THEN RAISE EXCEPTION 'lock' USING ERRCODE = '55P03'; END IF; "
    "RETURN n; END $$")
run(db, "CREATE SEQUENCE calls")
db.commit()
for n in values:
    try:
        run(db, "INSERT INTO t SELECT once(:n)", n=n)
        db.commit()
    except Exception:
        db.rollback()
"""


def test_a_statement_that_succeeds_in_another_try_is_done(project: Project) -> None:
    upgrade(project, RETRY.format(values=[1, 1]))
    assert left(project) == (["001_file"], ["(1,)"])


def test_the_same_statement_with_other_parameters_is_not_another_try(project: Project) -> None:
    message = failure(project, RETRY.format(values=[1, 2]))
    assert "The file caught an error and went on, but some of its work is missing: lock" in message
    assert left(project) == ([], [])


MARK = 'run(db, "INSERT INTO t SELECT 9, pg_current_xact_id()")'


def recorded_with_the_mark(engine: Engine) -> bool:
    """Whether pointer and row were written in the transaction that wrote the mark."""
    with engine.connect() as connection:
        mark = connection.scalar(text("SELECT note FROM t WHERE n = 9"))
        pointer = connection.scalar(text("SELECT xmin::text FROM alembic_version"))
        row = connection.scalar(text("SELECT xmin::text FROM schema_migrations"))
    return bool(mark == pointer == row)


@pytest.mark.parametrize("mode", ["", ATOMIC])
@pytest.mark.parametrize(
    "end",
    [
        "",
        "db.commit()",
        "db.commit(); db.commit()",
        "db.commit(); db.close()",
        "db.commit()\nwith db.begin(): pass",
    ],
)
def test_the_record_and_the_last_work_are_one_transaction(
    project: Project, engine: Engine, mode: str, end: str
) -> None:
    upgrade(project, file(mode, f"{TWO_COMMITS}\n{MARK}\n{end}"))
    assert recorded_with_the_mark(engine)


def test_the_commit_is_not_owed_while_the_file_does_something_else(project: Project) -> None:
    """A backfill that pauses between its batches lets others in."""
    upgrade(
        project,
        """
        import time
        run(db, "LOCK TABLE t")
        db.commit()
        time.sleep(0.6)
        import psycopg2
        url = db.get_bind().engine.url.set(drivername="postgresql")
        other = psycopg2.connect(url.render_as_string(hide_password=False))
        cursor = other.cursor()
        cursor.execute("LOCK TABLE t NOWAIT")
        other.close()
        """,
    )
    assert left(project)[0] == ["001_file"]


def test_a_thread_of_the_applications_is_not_the_files(project: Project, engine: Engine) -> None:
    """Its statements do not make the file's commit come early."""
    stop = threading.Event()

    def ask() -> None:
        with engine.connect() as connection:
            while not stop.is_set():
                connection.execute(text("SELECT 1"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        upgrade(
            project,
            """
            import time
            run(db, "INSERT INTO t SELECT 9, pg_current_xact_id()")
            db.commit()
            time.sleep(0.05)
            """,
        )
    finally:
        stop.set()
        thread.join()
    assert recorded_with_the_mark(engine)


LEAVES = """
run(db, "CREATE SCHEMA IF NOT EXISTS elsewhere")
run(db, "SET search_path = elsewhere")
run(db, "SET app.tenant = 'mine'")
run(db, "SET ROLE pg_monitor")
run(db, "SET lock_timeout = '1min'")
db.commit()
"""
NOW = "SELECT current_setting('search_path'), current_setting('lock_timeout'), current_user"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", ["", AUTOCOMMIT])
def test_a_connection_gets_back_what_it_had(
    project: Project, pooled: Engine, *, fails: bool, mode: str
) -> None:
    @event.listens_for(pooled, "connect")
    def _set(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            cursor.execute("SET search_path = public, pg_temp")
            cursor.execute("SET lock_timeout = '7s'")
            cursor.execute("SET app.of_the_caller = '100%'")
        dbapi.commit()

    with pooled.connect() as connection:
        before = connection.execute(text(NOW)).one()
        connection.rollback()
        body = file(mode, LEAVES + "1 / 0" * fails)
        if fails:
            failure(project, body, on=connection)
        else:
            upgrade(project, body, on=connection)
        assert not connection.in_transaction()
        assert connection.execute(text(NOW)).one() == before
        assert connection.scalar(text("SHOW app.of_the_caller")) == "100%"
    assert before[0] == "public, pg_temp"


@pytest.mark.parametrize(
    "body",
    [
        'run(db, "INSERT INTO t VALUES (1)"); run(db, "COMMIT")',
        'run(db, "INSERT INTO t VALUES (1)"); db.connection().connection.commit()',
        'db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})',
        'db.connection(execution_options={"isolation_level": "SERIALIZABLE"})',
        "db.get_bind().begin()",
    ],
)
def test_a_connection_outside_of_a_transaction_is_brought_back(
    project: Project, engine: Engine, body: str
) -> None:
    """Else the pointer and the row would be committed one by one."""
    with engine.connect() as connection:
        upgrade(project, body, on=connection)
        assert connection.get_isolation_level() == "READ COMMITTED"
        pointer = connection.scalar(text("SELECT xmin::text FROM alembic_version"))
        assert connection.scalar(text("SELECT xmin::text FROM schema_migrations")) == pointer


@pytest.mark.parametrize(
    "level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"]
)
@pytest.mark.parametrize("through", ["engine", "option", "connection"])
def test_any_isolation_level_is_kept(
    project: Project, engine: Engine, level: str, through: str
) -> None:
    body = (
        MARK
        + """
run(db, "CREATE TABLE level AS SELECT current_setting('transaction_isolation')")
"""
    )
    given = create_engine(
        engine.url, poolclass=NullPool, **{"isolation_level": level} if through == "engine" else {}
    )
    if through == "option":
        given = given.execution_options(isolation_level=level)
    if through == "connection":
        with given.connect().execution_options(isolation_level=level) as connection:
            before = (connection.get_isolation_level(), level == "AUTOCOMMIT")
            upgrade(project, body, on=connection)
            assert connection.get_isolation_level() == before[0]
            dbapi: Any = connection.connection.dbapi_connection
            assert dbapi.autocommit == before[1]
            assert not connection.in_transaction()
    else:
        upgrade(project, body, on=given)
    expected = "READ COMMITTED" if level == "AUTOCOMMIT" else level
    with engine.connect() as connection:
        assert connection.scalar(text("TABLE level")) == expected.lower()
    assert recorded_with_the_mark(engine)


def test_in_a_transaction_of_the_callers_everything_is_the_callers(
    project: Project, engine: Engine
) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("INSERT INTO t VALUES (0)"))
        upgrade(project, TWO_COMMITS, 'run(db, "INSERT INTO t VALUES (3)")', on=connection)
        assert transaction.is_active
        assert connection.scalar(text("SELECT count(*) FROM t")) == 4
        assert connection.scalar(text("SELECT count(*) FROM schema_migrations")) == 2
        transaction.rollback()
        assert connection.scalar(text("SELECT to_regclass('schema_migrations')")) is None
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
    with engine.begin() as connection:
        upgrade(project, on=connection)
    assert left(project) == (["001_file", "002_file"], ["(1,)", "(2,)", "(3,)"])


def test_in_a_transaction_of_the_callers_autocommit_is_refused(
    project: Project, engine: Engine
) -> None:
    with engine.begin() as connection:
        message = failure(project, file(AUTOCOMMIT, 'run(db, "VACUUM t")'), on=connection)
    assert message == (
        f'{project.migrations}/001_file.py says transaction = "autocommit", which is impossible '
        "inside the open transaction of the connection that was handed in. The file was not run. "
        "Hand in a connection that is in no transaction, or an Engine."
    )


@pytest.mark.parametrize("end", ['run(db, "COMMIT")', "db.connection().connection.reset()"])
def test_in_a_transaction_of_the_callers_a_file_cannot_commit(
    project: Project, engine: Engine, end: str
) -> None:
    with engine.connect() as connection:
        connection.begin()
        message = failure(project, f'run(db, "INSERT INTO t VALUES (1)")\n{end}', on=connection)
        connection.rollback()
    assert "This file runs in the open transaction of the connection that was handed" in message
    assert "It ran in the transaction of the connection that was handed in. Roll that" in message
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0


OP = """
from alembic import op
import sqlalchemy as sa
run(db, "INSERT INTO t VALUES (1)")
made = op.create_table("made", sa.Column("n", sa.Integer, primary_key=True))
op.bulk_insert(made, [{"n": 1}, {"n": 2}])
op.execute("INSERT INTO t SELECT 2, count(*) FROM made")
assert op.get_bind().scalar(text("SELECT count(*) FROM t")) == 2
assert run(db, "SELECT count(*) FROM made").scalar() == 2
"""


@pytest.mark.parametrize("mode", ["", ATOMIC])
def test_alembics_operations_share_the_transaction(project: Project, mode: str) -> None:
    upgrade(
        project,
        file(mode, OP + 'db.commit()\nop.execute("INSERT INTO t VALUES (3)")\ndb.rollback()'),
        "from alembic import op\nop.execute('INSERT INTO t VALUES (4)')",
    )
    assert left(project) == (["001_file", "002_file"], ["(1,)", "(2,2)", "(4,)"])


def test_alembics_operations_are_rolled_back_with_the_file(project: Project) -> None:
    assert "Everything it did was rolled back." in failure(project, OP + "1 / 0")
    assert left(project) == ([], [])


def test_alembics_autocommit_block_names_the_way_out(project: Project) -> None:
    message = failure(
        project,
        """
        from alembic import op
        with op.get_context().autocommit_block():
            op.execute("VACUUM")
        """,
    )
    assert (
        "op.get_context().autocommit_block() cannot be used in a plain file: bridge commits "
        'its work and its record together. Put transaction = "autocommit" at the top of the file '
        "instead. The whole file then runs outside a transaction." in message
    )


@pytest.mark.parametrize("body", ["pass", "1 / 0", "raise KeyboardInterrupt"])
def test_nothing_listens_after_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    heard: list[tuple[str, Any]] = []
    real = event.listen

    def listen(target: Any, name: str, listener: Any, **options: Any) -> None:
        if target is Engine and isinstance(getattr(listener, "__self__", None), Watcher):
            heard.append((name, listener))
        real(target, name, listener, **options)

    monkeypatch.setattr(event, "listen", listen)
    with contextlib.suppress(MigrationError, KeyboardInterrupt):
        upgrade(project, body)
    assert {name for name, _ in heard} >= {"do_execute", "do_executemany", "do_execute_no_params"}
    assert not any(event.contains(Engine, name, listener) for name, listener in heard)
    assert not [name for name in sys.modules if "001_file" in name]


def test_an_asynchronous_connection_sees_what_was_committed(project: Project) -> None:
    upgrade(
        project,
        """
        import asyncio
        from sqlalchemy.ext.asyncio import create_async_engine

        async def count():
            engine = create_async_engine(db.get_bind().url.set(drivername="postgresql+psycopg"))
            async with engine.connect() as connection:
                found = await connection.execute(text("SELECT count(*) FROM t"))
            await engine.dispose()
            return found.scalar()

        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        assert asyncio.run(count()) == 1
        """,
    )
    assert left(project) == (["001_file"], ["(1,)"])


def test_a_lost_connection_is_not_gone_past(project: Project) -> None:
    message = failure(
        project,
        """
        try:
            run(db, "SELECT pg_terminate_backend(pg_backend_pid())")
        except Exception:
            db.rollback()
        run(db, "INSERT INTO t VALUES (1)")
        """,
    )
    assert (
        "The connection to the server was lost while the file ran, and the file went on" in message
    )
    assert left(project) == ([], [])
