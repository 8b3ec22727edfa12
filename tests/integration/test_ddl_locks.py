"""A migration and the tables that others hold."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from bridge.config.settings import AT_START
from bridge.database.request import Request
from bridge.errors import BridgeError, MigrationError, StillBlocked
from bridge.execution import lock_waits, retry
from bridge.operations.upgrade import run_upgrade
from bridge.reporting import events
from bridge.reporting.reporter import LogReporter
from support.both import migration
from support.recording import Recording
from support.running import ask, column, do, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection

    from support.pgbouncer import Pooler
    from support.project import Project

#: Short, and yet with time for a look at who is in the way.
TIMEOUT = 1.2
#: What the stranger is, as far as a pattern can say.
STRANGER = r"pid (\d+) \(application stranger, role \w+, idle in transaction for [\d.]+ s[^)]*\)"

ADD = 'db.execute(text("ALTER TABLE t ADD COLUMN m int"))'
INSERT = 'run(db, "INSERT INTO log VALUES (1)")'
INDEX = 'run(db, "CREATE INDEX CONCURRENTLY i ON t (n)")'
TWO_PHASES = """
raw = db.connection().connection.dbapi_connection
raw.rollback()
raw.tpc_begin(raw.xid(1, "bridge", "ddl locks"))
raw.cursor().execute("INSERT INTO log VALUES (1)")
raw.tpc_prepare()
raw.tpc_commit()
"""
AUTOCOMMIT = 'transaction = "autocommit"\n'


@pytest.fixture(autouse=True)
def _quick(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    do(engine, "CREATE TABLE t (n int)", "CREATE TABLE log (n int)")
    monkeypatch.setattr(retry, "PAUSES", (0.05, 0.1))


@dataclass
class Stranger:
    """A session in an open transaction that holds `t`."""

    connection: Connection
    pid: int = 0

    def hold(self, statement: str = "LOCK TABLE t") -> None:
        self.connection.execute(text(statement))
        self.pid = self.connection.scalar(text("SELECT pg_backend_pid()")) or 0

    def let_go(self) -> None:
        self.connection.rollback()


@pytest.fixture
def stranger(engine: Engine) -> Iterator[Stranger]:
    named = create_engine(engine.url, connect_args={"application_name": "stranger"})
    with named.connect() as connection:
        yield Stranger(connection)
        connection.rollback()
    named.dispose()


@dataclass
class Witness(Recording):
    """Keeps what is told of locks, and does something at the first such news, or a later one."""

    react: Callable[[], object] = lambda: None
    at: int = 1
    blocks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def tell(self, event: events.Event) -> None:
        if not isinstance(event, events.MigrationBlocked):
            super().tell(event)
            return
        self.blocks.append(event.message)
        if len(self.blocks) == self.at:
            self.react()


def write(project: Project, *bodies: str, mode: str = "") -> None:
    for number, body in enumerate(bodies, start=1):
        project.write(f"{number:03}_file", mode + migration(body))


def upgrade(
    project: Project,
    witness: Recording | None = None,
    *,
    on: Any = None,
    timeout: float = TIMEOUT,
    tries: int = 10,
) -> None:
    run_upgrade(
        Request(
            database=project.url if on is None else on,
            config=project.path / "alembic.ini",
            overrides={"ddl_lock_timeout": timeout, "ddl_lock_tries": tries},
            reporter=witness or LogReporter(),
        )
    )


def failure(
    kind: type[BridgeError], project: Project, witness: Recording | None = None, **given: Any
) -> str:
    with pytest.raises(BridgeError) as caught:
        upgrade(project, witness, **given)
    assert type(caught.value) is kind, caught.value
    return str(caught.value).replace(f"{project.migrations}/", "")


def test_it_is_rolled_back_and_tried_again_until_the_table_is_free(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, f"{INSERT}\n{ADD}\ndb.commit()")
    stranger.hold("SELECT * FROM t")

    def free_at_last() -> None:
        # Between two tries nobody waits, so that nobody has to queue.
        do(engine, "SET LOCAL lock_timeout = '5s'", "SELECT * FROM t")
        stranger.let_go()

    witness = Witness(free_at_last, at=2)
    upgrade(project, witness)
    assert column(engine, "SELECT n FROM log") == [1]
    assert recorded(engine) == ["001_file"]
    assert witness.begun == ["upgrade 001_file"] * 3
    assert (witness.done, witness.not_done) == (["upgrade 001_file"], [])
    line = migration(INSERT).count("\n") + 1
    for number, told in enumerate(witness.blocks, start=2):
        found = re.fullmatch(
            rf"001_file did not get a lock in time: ALTER TABLE t ADD COLUMN m int at line {line} "
            rf"was blocked by {STRANGER}\. Nothing of it stays; trying again in 0\.1 s "
            rf"\(try {number} of 10\)\.",
            told,
        )
        assert found, told
        assert int(found[1]) == stranger.pid
    assert len(witness.blocks) == 2


def test_when_the_tries_are_over_it_says_who_is_in_the_way(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, INSERT, f"{INSERT}\n{ADD}")
    stranger.hold()
    witness = Witness()
    said = failure(StillBlocked, project, witness, tries=2)
    line = migration(INSERT).count("\n") + 1
    pid = stranger.pid
    found = re.fullmatch(
        r"Given up after 2 tries in [\d.]+ s, because others hold a lock that it needs\.\n"
        rf"002_file failed: 002_file\.py, line {line}\n"
        r"  LockNotAvailable: canceling statement due to lock timeout\n"
        r"  statement:\n"
        r"    ALTER TABLE t ADD COLUMN m int\n"
        r"Another session holds a lock on the table for longer than lock_timeout allows\. Nothing "
        r"is wrong with the file: run again when the table is less busy\.\n"
        rf"It was blocked by {STRANGER}\.\n"
        r"Only if you are sure that it hangs, end it with: "
        rf"SELECT pg_terminate_backend\({pid}\);\n"
        r"Everything it did was rolled back\. It is not recorded as applied\. 001_file was applied "
        r"before it and stays so\.\n"
        r"Type: eai migrate",
        said,
    )
    assert found, said
    assert StillBlocked.exit_code == 75
    assert recorded(engine) == ["001_file"]
    assert column(engine, "SELECT n FROM log") == [1]
    assert len(witness.blocks) == 1
    assert witness.not_done == ["upgrade 002_file"]


@pytest.mark.parametrize(
    ("mode", "body", "reason"),
    [
        ("", f"{INSERT}\ndb.commit()\n{ADD}", "it had made a commit"),
        ("", f"{TWO_PHASES}{ADD}", "it has prepared a transaction, which may stay"),
        (
            AUTOCOMMIT,
            f"{INSERT}\n{ADD}",
            "it runs without a transaction, and this was not its first statement",
        ),
        (
            "",
            f'with other_engine(db).begin() as other:\n    run(other, "SELECT 1")\n{ADD}',
            "it uses another connection, too, and what it did there may stay",
        ),
        (
            AUTOCOMMIT,
            f"run(db, \"SET lock_timeout = '10ms'\")\n{INDEX}",
            "what is done CONCURRENTLY leaves something behind when it is stopped",
        ),
    ],
    ids=["a commit", "two phases", "no transaction", "another connection", "concurrently"],
)
def test_a_file_of_which_something_may_stay_is_not_tried_again(
    project: Project, stranger: Stranger, *, mode: str, body: str, reason: str
) -> None:
    write(project, body, mode=mode)
    stranger.hold()
    witness = Witness()
    said = failure(MigrationError, project, witness)
    assert f"\nIt was not tried again by itself, because {reason}.\n" in said
    if "10ms" not in body:
        assert re.search(rf"\nIt was blocked by {STRANGER}\.\n", said), said
    assert (witness.begun, witness.blocks) == (["upgrade 001_file"], [])
    assert (witness.done, witness.not_done) == ([], ["upgrade 001_file"])


def test_in_a_transaction_of_the_callers_nothing_is_tried_again(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, ADD)
    stranger.hold()
    with engine.connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO log VALUES (7)"))
        said = failure(MigrationError, project, on=connection)
        assert "because it ran in a transaction of the caller's.\n" in said
        assert re.search(rf"\nIt was blocked by {STRANGER}\.\n", said), said


def test_the_first_statement_without_a_transaction_is_tried_again(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, 'run(db, "VACUUM t")', mode=AUTOCOMMIT)
    stranger.hold()
    witness = Witness(stranger.let_go)
    upgrade(project, witness)
    assert len(witness.blocks) == 1
    assert recorded(engine) == ["001_file"]


def test_a_timeout_that_the_file_caught_is_tried_again_as_well(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, f"{INSERT}\ntry:\n    {ADD}\nexcept Exception:\n    db.rollback()")
    stranger.hold()
    witness = Witness(stranger.let_go)
    upgrade(project, witness, timeout=0.3)
    assert column(engine, "SELECT n FROM log") == [1]
    assert ask(engine, "SELECT count(m) FROM t") == 0
    assert len(witness.blocks) == 1


def test_what_is_done_concurrently_waits_and_says_for_whom(
    project: Project, engine: Engine, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_waits, "TELL_AFTER", 0.5)
    write(project, INDEX, mode=AUTOCOMMIT)
    stranger.hold("INSERT INTO t VALUES (1)")
    witness = Witness(stranger.let_go)
    upgrade(project, witness, timeout=0.2)
    assert witness.begun == ["upgrade 001_file"]
    assert "after it has sent CREATE INDEX CONCURRENTLY i ON t (n): it is" in witness.blocks[0]
    assert ask(engine, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")


def test_without_a_limit_it_waits_and_says_for_whom(
    project: Project, engine: Engine, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_waits, "TELL_AFTER", 0.3)
    monkeypatch.setattr(lock_waits, "TELL_EVERY", 0.3)
    write(project, ADD)
    stranger.hold()
    witness = Witness(stranger.let_go, at=2)
    upgrade(project, witness, timeout=0)
    assert recorded(engine) == ["001_file"]
    assert witness.begun == ["upgrade 001_file"]
    for told in witness.blocks:
        assert re.fullmatch(
            r"001_file waits for a lock, [\d.]+ s after it has sent ALTER TABLE t ADD COLUMN m "
            rf"int: it is blocked by {STRANGER}\.",
            told,
        ), told


def test_a_person_is_told_after_five_seconds() -> None:
    assert (lock_waits.TELL_AFTER, lock_waits.TELL_EVERY) == (5, 5)
    assert AT_START["ddl_lock_timeout"] == 2


NOTE = "run(db, \"INSERT INTO notes SELECT current_setting('lock_timeout')\")"


@pytest.mark.parametrize("mode", ["", AUTOCOMMIT, 'transaction = "atomic"\n'])
def test_the_limit_counts_for_the_whole_file_unless_it_sets_its_own(
    project: Project, engine: Engine, mode: str
) -> None:
    do(engine, "CREATE TABLE notes (said text, n serial)")
    ends = ["db.commit()", 'run(db, "COMMIT")', "db.rollback()"]
    if "atomic" in mode:
        ends = ["db.commit()", "db.commit()", "db.commit()"]
    body = "\n".join([NOTE, *(f"{end}\n{NOTE}" for end in ends), "db.commit()"])
    own = f"run(db, \"SET lock_timeout = '3min'\")\n{NOTE}\ndb.commit()\n{NOTE}"
    write(project, body, own, NOTE, mode=mode)
    upgrade(project, timeout=1.5)
    said = column(engine, "SELECT said FROM notes ORDER BY n")
    assert said == ["1500ms"] * 4 + ["3min"] * 2 + ["1500ms"]


@pytest.mark.parametrize("own", ["0", "7s"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_gets_back_the_limit_it_had(
    project: Project, engine: Engine, stranger: Stranger, *, own: str, fails: bool
) -> None:
    write(project, ADD)
    if fails:
        stranger.hold()
    pooled = create_engine(engine.url)

    @event.listens_for(pooled, "connect")
    def _set(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{own}'")
        dbapi.commit()

    with pooled.connect() as connection:
        if fails:
            failure(StillBlocked, project, on=connection, timeout=0.1, tries=2)
        else:
            upgrade(project, on=connection)
        assert connection.scalar(text("SHOW lock_timeout")) == own
    pooled.dispose()


def test_in_a_transaction_of_the_callers_the_callers_own_limit_counts(
    project: Project, engine: Engine
) -> None:
    do(engine, "CREATE TABLE notes (said text, n serial)")
    write(project, NOTE)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET LOCAL lock_timeout = '7s'"))
        upgrade(project, on=connection)
    assert column(engine, "SELECT said FROM notes") == ["7s"]


def test_nothing_is_left_running_beside_the_run(
    project: Project, engine: Engine, stranger: Stranger
) -> None:
    write(project, ADD)
    stranger.hold()
    failure(StillBlocked, project, tries=1)
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid"
    assert ask(engine, f"{others} NOT IN (pg_backend_pid(), {stranger.pid})") == 0
    assert "bridge-waits" not in [thread.name for thread in threading.enumerate()]


@contextmanager
def application_of(url: URL) -> Iterator[Engine]:
    """An application's connections through the pooler."""
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def test_behind_a_pooler_each_transaction_has_the_limit_and_nobody_else(
    project: Project, engine: Engine, stranger: Stranger, pooler: Pooler
) -> None:
    do(engine, "CREATE TABLE notes (said text, n serial)")
    body = f"{NOTE}\ndb.commit()\n{NOTE}\ndb.rollback()\n{NOTE}\ndb.commit()"
    write(project, body, f"{INSERT}\n{ADD}")
    stranger.hold()
    url = pooler.url(engine.url)
    witness = Witness(stranger.let_go)
    upgrade(project, witness, on=url, timeout=1.5)
    assert column(engine, "SELECT said FROM notes ORDER BY n") == ["1500ms"] * 2
    assert column(engine, "SELECT n FROM log") == [1]
    assert recorded(engine) == ["001_file", "002_file"]
    assert len(witness.blocks) == 1
    assert re.search(f"was blocked by {STRANGER}", witness.blocks[0]), witness.blocks
    with application_of(url) as application:
        for _ in range(5):
            assert ask(application, "SHOW lock_timeout") == "0"


#: What counts for the record, when it is written, is noted.
NOTED = """
CREATE TABLE notes (said text, n serial);
CREATE TABLE schema_migrations (version varchar(255) PRIMARY KEY,
    applied_at timestamptz DEFAULT now(), description text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO notes SELECT current_setting('lock_timeout'); RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.mark.parametrize("way", ["direct", "pooler"])
def test_the_record_itself_has_no_limit(
    project: Project, engine: Engine, request: pytest.FixtureRequest, way: str
) -> None:
    """A busy ledger must not undo what a file has done already."""
    do(engine, NOTED)
    write(project, f"{NOTE}\ndb.commit()", NOTE)
    url = engine.url if way == "direct" else request.getfixturevalue("pooler").url(engine.url)
    upgrade(project, on=url, timeout=1.5)
    assert column(engine, "SELECT said FROM notes ORDER BY n") == ["1500ms", "0"] * 2


def test_the_command_line_takes_a_limit(project: Project, stranger: Stranger) -> None:
    write(project, ADD)
    stranger.hold()
    done = project.eai("migrate", "--ddl-lock-timeout", "1", env={"BRIDGE_DDL_LOCK_TRIES": "1"})
    assert done.returncode == 75
    assert "Given up after 1 try in " in done.stderr
    assert f"It was blocked by pid {stranger.pid} (application stranger, " in done.stderr
