"""A run that is killed, or loses its server or one of its connections, and the run after it."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from bridge.locking.holder import LOCK_CLASS
from support.forked import Commands, commands_of
from support.own_server import OwnServer, own_server
from support.running import (
    CREATE_LOG,
    PASS_GATE,
    Gate,
    ask,
    assert_applied,
    column,
    do,
    gate_of,
    is_alive,
    logged,
    migration,
    pointer,
    poll,
    recorded,
    terminate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL, Engine

    from support.project import Project
    from support.replicas import Result

FIRST, SECOND, THIRD = "001_first", "002_second", "003_third"

#: What the driver says of a connection that somebody cut; not always what the server told it.
CUT = "(terminating connection due to administrator command|server closed the connection.*)"


@pytest.fixture
def start(project: Project, engine: Engine) -> Iterator[Commands]:
    """Start `eai migrate`, or what is named, for a database that has the table `log`."""
    do(engine, CREATE_LOG)
    with commands_of(project) as start:
        yield start


@pytest.fixture
def gate(engine: Engine) -> Iterator[Gate]:
    """A shut gate."""
    with gate_of(engine) as gate:
        yield gate


def three(project: Project, **second: str) -> None:
    """Three migrations; the second one stops at the gate."""
    project.write(FIRST, migration(FIRST))
    project.write(SECOND, second.get("body") or migration(SECOND, PASS_GATE))
    project.write(THIRD, migration(THIRD))


def let_the_dead_work_on(engine: Engine) -> None:
    """Keep the server from noticing, for as long as a test takes, that a client is gone."""
    do(engine, f"ALTER DATABASE {engine.url.database} SET client_connection_check_interval = '1h'")


def holders(engine: Engine) -> list[int]:
    """The backends that hold one of bridge's locks of this database."""
    query = (
        "SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database "
        "AND datname = current_database() WHERE locktype = 'advisory' AND granted "
        f"AND classid = {LOCK_CLASS}"
    )
    return column(engine, query)


def assert_done(ended: Result, applied: int) -> None:
    count = "1 migration" if applied == 1 else f"{applied} migrations"
    assert (ended.code, ended.out) == (0, f"Applied {count}: the database is up to date.\n"), ended


@pytest.mark.parametrize("statement", ["ends", "goes on"])
def test_killed_in_the_middle_of_a_migration_nothing_of_it_stays(
    project: Project, engine: Engine, start: Commands, gate: Gate, statement: str
) -> None:
    """Also where its statement would go on for ever: the server notices that nobody listens."""
    three(project, body=migration(SECOND, "CREATE TABLE half (n integer)", PASS_GATE))
    run = start()
    backend = gate.reached()
    run.kill()
    if statement == "ends":
        gate.open()
    poll(lambda: not is_alive(engine, backend))
    assert_applied(engine, FIRST)
    assert ask(engine, "SELECT to_regclass('half') IS NULL")
    if statement == "goes on":
        gate.open()
    assert_done(start().end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


@pytest.mark.parametrize(
    "lets_go",
    [
        migration(SECOND, "SELECT pg_advisory_unlock_all()", PASS_GATE),
        migration(SECOND, "DO 'BEGIN PERFORM PG_ADVISORY_UNLOCK_ALL(); END'", PASS_GATE),
        migration(SECOND, "DISCARD ALL", PASS_GATE, head='transaction = "autocommit"'),
    ],
    ids=["a function", "a block", "all of the session"],
)
def test_a_file_that_lets_go_of_all_locks_is_waited_for_all_the_same(
    project: Project, engine: Engine, start: Commands, gate: Gate, lets_go: str
) -> None:
    let_the_dead_work_on(engine)
    three(project, body=lets_go)
    run = start()
    backend = gate.reached()
    run.kill()
    successor = start()
    assert str(backend) in successor.told("Waiting for")
    gate.open()
    assert_done(successor.end(), 2)
    assert recorded(engine) == [FIRST, SECOND, THIRD]
    assert holders(engine) == []


def test_killed_while_it_waits_for_the_lock_it_disturbs_nobody(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    three(project)
    first = start()
    gate.reached()
    waiting = start()
    waiting.told("Waiting for the migration lock")
    waiting.kill()
    gate.open()
    assert_done(first.end(), 3)
    assert_applied(engine, FIRST, SECOND, THIRD)
    assert holders(engine) == []


def test_killed_between_two_migrations_the_first_one_stays(
    project: Project, engine: Engine, start: Commands
) -> None:
    """The second file is being loaded: it may begin, and has sent nothing yet."""
    stand_still = """
from pathlib import Path
import time
mark = Path(__file__).with_suffix(".loaded")
if not mark.exists():
    mark.touch()
    time.sleep(60)
"""
    three(project, body=migration(SECOND, head=stand_still))
    run = start()
    poll((project.migrations / f"{SECOND}.loaded").exists)
    run.kill()
    assert_applied(engine, FIRST)
    assert_done(start().end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


@pytest.mark.parametrize("table", ["alembic_version", "schema_migrations"])
def test_killed_between_the_work_and_its_record_there_is_neither(
    project: Project, engine: Engine, start: Commands, gate: Gate, table: str
) -> None:
    """A trigger on the table of the record stops at the gate."""
    project.write(FIRST, migration(FIRST))
    assert_done(start().end(), 1)
    do(
        engine,
        "CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN PERFORM {PASS_GATE.removeprefix('SELECT ')}; RETURN NEW; END $$",
        f"CREATE TRIGGER wait BEFORE INSERT OR UPDATE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION wait_at_gate()",
    )
    project.write(SECOND, migration(SECOND, "CREATE TABLE done (n integer)"))
    run = start()
    backend = gate.reached()
    run.kill()
    gate.open()
    poll(lambda: not is_alive(engine, backend))
    assert_applied(engine, FIRST)
    assert ask(engine, "SELECT to_regclass('done') IS NULL")
    assert_done(start().end(), 1)
    assert_applied(engine, FIRST, SECOND)
    assert ask(engine, "SELECT to_regclass('done') IS NOT NULL")


class FarServer:
    """Passes connections on to the server, as over a line whose answers take `delay` seconds."""

    def __init__(self, url: URL, stack: ExitStack) -> None:
        self.delay = 0.0
        self._url = url
        self._stack = stack
        self._listener = socket.create_server(("127.0.0.1", 0))
        stack.callback(self._listener.close)
        stack.callback(self._listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> URL:
        port = self._listener.getsockname()[1]
        return self._url.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})

    def _accept(self) -> None:
        with suppress(OSError):  # closed, at the end of the test
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                for one, other, far in ((client, server, False), (server, client, True)):
                    self._stack.callback(one.close)
                    arguments = (one, other, far)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._url.query.get("host", self._url.host))
        port = self._url.port or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pump(self, source: socket.socket, target: socket.socket, far: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay if far else 0)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_over_a_slow_line_work_and_record_are_committed_together_too(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    three(project, body=migration(SECOND, PASS_GATE, "CREATE INDEX log_stem ON log (stem)"))
    with ExitStack() as stack:
        far = FarServer(engine.url, stack)
        run = start("eai", "migrate", "--database-url", far.address.render_as_string(False))
        gate.reached()
        far.delay = 0.4
        gate.open()
        poll(lambda: SECOND in logged(engine))
        assert recorded(engine) == [FIRST, SECOND]
        run.kill()


def test_killed_after_a_commit_of_its_own_a_file_leaves_that_and_no_record(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    body = f"""
from sqlalchemy import text
def upgrade(db):
    db.execute(text("CREATE TABLE IF NOT EXISTS half (n integer)"))
    db.commit()
    db.execute(text("INSERT INTO log (stem) VALUES ('{SECOND}')"))
    db.execute(text("{PASS_GATE}"))
    db.commit()
"""
    three(project, body=body)
    run = start()
    backend = gate.reached()
    run.kill()
    gate.open()
    poll(lambda: not is_alive(engine, backend))
    assert_applied(engine, FIRST)
    assert ask(engine, "SELECT to_regclass('half') IS NOT NULL")
    assert_done(start().end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


def works_on(statement: str) -> str:
    """A file that can run again; what its `DO` does is committed even if nobody listens."""
    return f"""
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text('''DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM log WHERE stem = '{SECOND}') THEN
            INSERT INTO log (stem) VALUES ('{SECOND}');
            PERFORM {statement};
        END IF;
    END $$'''))
"""


def test_the_next_run_waits_for_the_backend_of_a_killed_one_and_says_so(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    """Its statement is committed although its process is dead; run beside it, it would double."""
    let_the_dead_work_on(engine)
    three(project, body=works_on(PASS_GATE.removeprefix("SELECT ")))
    run = start()
    backend = gate.reached()
    run.kill()
    successor = start()
    told = successor.told("Waiting for the migration lock: it is held by")
    assert f"backend {backend} " in told
    assert f"running {SECOND}" in told
    assert gate.waiting() == [backend]
    gate.open()
    assert_done(successor.end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


def test_the_server_ends_a_long_statement_whose_process_was_killed(
    project: Project, engine: Engine, start: Commands
) -> None:
    three(project, body=works_on("pg_sleep(600)"))
    run = start()
    running = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event = 'PgSleep'"
    )
    poll(lambda: column(engine, running))
    run.kill()
    poll(lambda: not column(engine, running))
    assert_applied(engine, FIRST)


def test_the_next_run_begins_when_the_server_has_ended_what_a_killed_one_left(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    """The backend itself has the lock, so that nothing of the next run is beside it."""
    let = f"ALTER DATABASE {engine.url.database} SET client_connection_check_interval"
    do(engine, f"{let} = '1h'")
    three(project)
    run = start()
    dead = gate.reached()
    run.kill()
    waiting = start()
    assert f"backend {dead} " in waiting.told("Waiting for the migration lock: it is held by")
    waiting.kill()
    terminate(engine, dead)
    do(engine, f"{let} = '100ms'")
    run = start()
    dead = gate.reached()
    run.kill()
    successor = start()
    poll(lambda: gate.waiting() not in ([], [dead]))
    assert not is_alive(engine, dead)
    gate.open()
    assert_done(successor.end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


def test_when_the_wait_for_a_dead_runs_backend_is_over_it_is_named(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    let_the_dead_work_on(engine)
    three(project)
    run = start()
    backend = gate.reached()
    run.kill()
    ended = start("eai", "migrate", "--wait-for-lock", "0.3").end()
    assert ended.code == 75, ended
    assert re.search(
        r"Error: The migration lock of this database was not obtained within 0\.3 s: it is held "
        rf"by backend {backend} \(.*\), running {SECOND}, since .*\. Nothing was started\. Run the "
        r"same command again when that is done\. Only if you are sure that it hangs, end it with: "
        rf"SELECT pg_terminate_backend\({backend}\);\n",
        ended.err,
    ), ended.err
    assert_applied(engine, FIRST)


def test_killed_in_an_index_build_the_next_run_names_the_invalid_index(
    project: Project, engine: Engine, start: Commands
) -> None:
    body = f"""
from sqlalchemy import text
transaction = "autocommit"
def upgrade(db):
    db.execute(text("CREATE INDEX CONCURRENTLY IF NOT EXISTS log_stem ON log (stem)"))
    db.execute(text("INSERT INTO log (stem) VALUES ('{SECOND}')"))
"""
    three(project, body=body)
    with engine.connect() as writer:
        writer.exec_driver_sql("INSERT INTO log (stem) VALUES ('of another')")
        run = start()
        building = (
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND query LIKE 'CREATE INDEX CONC%' AND wait_event_type = 'Lock'"
        )
        poll(lambda: column(engine, building))
        (backend,) = column(engine, building)
        run.kill()
        poll(lambda: not is_alive(engine, backend))
        writer.rollback()
    ended = start().end()
    assert ended.code == 1, ended
    assert "log_stem" in ended.err
    assert "DROP INDEX" in ended.err
    assert recorded(engine) == [FIRST]
    statement = re.search(r"DROP INDEX[^;]*", ended.err)
    assert statement is not None
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement[0])
        connection.exec_driver_sql(f"DELETE FROM log WHERE stem = '{SECOND}'")
    assert_done(start().end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


def test_the_connection_of_a_migration_is_cut_in_its_statement(
    project: Project, engine: Engine, start: Commands, gate: Gate
) -> None:
    three(project)
    run = start()
    terminate(engine, gate.reached())
    ended = run.end()
    assert ended.code == 75, ended
    assert f"{SECOND} failed: " in ended.err
    assert f"{SECOND}.py, line 5" in ended.err
    assert re.search(f"OperationalError: {CUT}|AdminShutdown: {CUT}", ended.err)
    assert PASS_GATE in ended.err
    assert (
        "Everything it did was rolled back. It is not recorded as applied. "
        f"{FIRST} was applied before it and stays so.\nType: eai migrate\n" in ended.err
    )
    assert "Traceback" not in ended.err
    assert_applied(engine, FIRST)
    gate.open()
    assert_done(start().end(), 2)
    assert_applied(engine, FIRST, SECOND, THIRD)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServer]:
    with own_server(tmp_path / "project") as own:
        do(own.engine, CREATE_LOG.replace("UNLOGGED ", ""))
        yield own


def test_a_server_that_goes_down_in_the_middle_of_a_run(own: OwnServer) -> None:
    three(own.project)
    with commands_of(own.project) as start:
        with gate_of(own.engine) as gate:
            run = start()
            gate.reached()
            own.pg_ctl("restart")
            with pytest.raises(Exception, match=CUT):
                gate.open()
        ended = run.end()
        assert ended.code == 75, ended
        assert "Traceback" not in ended.err
        assert f"{SECOND}.py, line 5" in ended.err
        assert "Everything it did was rolled back. It is not recorded as applied." in ended.err
        assert "ype: eai migrate" in ended.err
        assert_applied(own.engine, FIRST)
        assert_done(start().end(), 2)
        assert_applied(own.engine, FIRST, SECOND, THIRD)


def test_a_server_that_goes_down_while_a_run_waits_means_try_again(own: OwnServer) -> None:
    three(own.project)
    with commands_of(own.project) as start:
        with suppress(DBAPIError), gate_of(own.engine) as gate:
            run = start()
            gate.reached()
            waiting = start()
            waiting.told("Waiting for the migration lock")
            own.pg_ctl("stop")
        assert run.end().code == 75
        ended = waiting.end()
        assert "Traceback" not in ended.err
        assert ended.code == 75, ended


def test_cut_in_its_last_commit_a_migration_is_not_called_rolled_back(own: OwnServer) -> None:
    """The server has committed, and the client cannot know."""
    three(own.project)
    with commands_of(own.project) as start, gate_of(own.engine) as gate:
        run = start()
        gate.reached()
        own.set_standby("nobody")
        gate.open()
        poll(own.committing)
        terminate(own.engine, own.committing()[0])
        ended = run.end()
        own.set_standby("")
        assert ended.code == 75, ended
        assert "Traceback" not in ended.err
        assert (
            "The connection broke while the COMMIT was under way, so it is not known whether "
            f"{SECOND} was committed; its record was in the same transaction, so the next run "
            "will know." in ended.err
        )
        assert "rolled back" not in ended.err
        assert_applied(own.engine, FIRST, SECOND)
        assert_done(start().end(), 1)
        assert_applied(own.engine, FIRST, SECOND, THIRD)


def test_killed_in_its_last_commit_work_and_record_are_both_there(own: OwnServer) -> None:
    three(own.project)
    with commands_of(own.project) as start, gate_of(own.engine) as gate:
        run = start()
        gate.reached()
        own.set_standby("nobody")
        gate.open()
        poll(own.committing)
        run.kill()
        successor = start()
        successor.told("Waiting for")
        own.set_standby("")
        assert_done(successor.end(), 1)
        assert_applied(own.engine, FIRST, SECOND, THIRD)
        assert pointer(own.engine) == [THIRD]
