"""`eai migrate rehearse`: pending files run for real, and nothing of it stays."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import bridge
from bridge.database.embedded.programs import find_program
from bridge.database.request import Request
from bridge.errors import LedgerError
from bridge.files.mode import Mode
from bridge.operations.rehearsal.rehearse import rehearse
from bridge.operations.rehearsal.script import FileScript
from support.locked import holding
from support.recording import Recording
from support.terminal import run_on_terminal, screen_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Dump
    from sqlalchemy.engine import URL, Engine

    from support.project import Project

FIRST = """\
from sqlalchemy import text

def upgrade(db):
    db.execute(text("CREATE TABLE users (id serial PRIMARY KEY, name text)"))
    db.execute(text("CREATE TYPE mood AS ENUM ('ok')"))
    db.execute(text("CREATE TABLE orders (id int PRIMARY KEY, owner int)"))
    db.execute(text("INSERT INTO users (name) VALUES ('before')"))
"""
SECOND = """\
from alembic import op
from sqlalchemy import text

description = "Adds tags"

def upgrade(db):
    print("from the file")
    db.execute(text("CREATE TABLE tags (id int, what text)"))
    db.execute(
        text("INSERT INTO users (name) VALUES (:name)"), [{"name": "O'Hara"}, {"name": "100%"}]
    )
    db.commit()
    op.execute("ALTER TABLE orders ADD COLUMN note text")
    if db.execute(text("SELECT count(*) FROM users")).scalar() != 3:
        raise RuntimeError("it does not see what it did")
    with db.begin_nested():
        db.execute(text("UPDATE users SET name = 'x' WHERE name LIKE 'be%'"))
    db.commit()
"""
SQL = """\
-- 002_tags.py
BEGIN;
CREATE TABLE tags (id int, what text);
INSERT INTO users (name) VALUES ('O''Hara');
INSERT INTO users (name) VALUES ('100%');
COMMIT;
BEGIN;
ALTER TABLE orders ADD COLUMN note text;
SELECT count(*) FROM users;
SAVEPOINT sa_savepoint_1;
UPDATE users SET name = 'x' WHERE name LIKE 'be%';
RELEASE SAVEPOINT sa_savepoint_1;
COMMIT;

"""


def body(*statements: str, head: str = "") -> str:
    """The text of a file; a statement that begins as a call is one of the Session's."""
    lines = [
        f"    db.{each}" if re.match(r"\w+\(", each) else f"    db.execute(text({each!r}))"
        for each in statements
    ]
    return "\n".join(["from sqlalchemy import text", head, "def upgrade(db):", *lines, ""])


@pytest.fixture
def started(project: Project, engine: Engine) -> Project:
    """A project whose first migration is applied."""
    project.write("001_first", FIRST)
    bridge.upgrade(engine, config=project.path / "alembic.ini")
    return project


@pytest.fixture
def everything(engine: Engine, database_url: URL, dump: Dump) -> Callable[[], tuple[str, str]]:
    def look() -> tuple[str, str]:
        with engine.connect() as connection:
            counts = connection.execute(
                text("SELECT version, (SELECT array_agg(users) FROM users) FROM schema_migrations")
            ).all()
        return dump(database_url), str(counts)

    return look


def test_files_run_for_real_their_sql_is_printed_and_nothing_stays(
    started: Project, everything: Callable[[], tuple[str, str]]
) -> None:
    started.write("002_tags", SECOND)
    started.write("003_more", body("INSERT INTO tags VALUES (1, 'a')"))
    before = everything()
    done = started.eai("migrate", "rehearse", "--yes")
    assert done.returncode == 0
    assert everything() == before
    assert done.stdout == (
        SQL + "-- 003_more.py\nBEGIN;\nINSERT INTO tags VALUES (1, 'a');\nCOMMIT;\n\n"
    )
    told = [re.sub(r"\d+\.\d\d s", "TIME", line) for line in done.stderr.splitlines()]
    assert told[0].startswith("Database ")
    assert told[1:] == [
        "  002_tags  Adds tags",
        "from the file",
        "  002_tags  done in TIME",
        "  003_more  more",
        "  003_more  done in TIME",
        ("  002_tags  locked orders (ACCESS EXCLUSIVE) for TIME, users (ROW EXCLUSIVE) for TIME"),
        (
            "  003_more  locked no further table; orders (ACCESS EXCLUSIVE), users (ROW EXCLUSIVE) "
            "held since 002_tags"
        ),
        (
            "The times are those of a run, which lets go of its locks at each commit. The "
            "rehearsal holds them to its end."
        ),
        (
            "So nobody can see whether a later file would lock the same table once more. To see "
            "that, apply the files before it, and rehearse it alone."
        ),
        "Rehearsed 2 migrations; everything was rolled back, and nothing is recorded.",
    ]


def test_a_lock_is_timed_from_its_statement_to_the_next_commit(
    started: Project, database_url: URL
) -> None:
    started.write(
        "002_slow",
        body(
            "SELECT pg_sleep(0.3)",
            "ALTER TABLE orders ADD COLUMN a int",
            "SELECT pg_sleep(0.1)",
            "commit()",
            "SELECT pg_sleep(0.4)",
            "DELETE FROM users",
        ),
    )
    started.write("003_again", body("ALTER TABLE orders ADD COLUMN b int", "DROP TABLE users"))
    url = database_url.render_as_string(hide_password=False)
    found = rehearse(Request(database=url, config=started.path / "alembic.ini"))
    slow, again = found.done
    orders, users = slow.locks
    assert (orders.table, orders.mode, users.table) == ("orders", "ACCESS EXCLUSIVE", "users")
    # The sleep before it and the one after the commit are not the lock's.
    assert 0.1 <= orders.seconds <= slow.seconds - 0.7
    assert users.seconds <= slow.seconds - 0.8
    assert (again.locks[0].table, again.locks[0].mode) == ("users", "ACCESS EXCLUSIVE")
    assert [(each.table, each.file) for each in again.held] == [("orders", "002_slow")]
    assert (slow.losses, again.losses) == (("all rows of users",), ("all rows of users",))
    assert (slow.statements, again.statements) == (5, 2)


def test_the_sql_can_be_run_and_does_the_same(
    started: Project, engine: Engine, database_url: URL, dump: Dump
) -> None:
    started.write("002_tags", SECOND)
    script = started.eai("migrate", "rehearse", "--yes", check=True).stdout
    url = database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    psql = [str(find_program("psql")), "-qAtX", "-v", "ON_ERROR_STOP=1", url]
    subprocess.run(psql, input=script, check=True, text=True, capture_output=True)
    with engine.connect() as connection:
        names = connection.scalars(text("SELECT name FROM users ORDER BY name"))
        assert list(names) == ["100%", "O'Hara", "x"]
    assert "note text" in dump(database_url)


def test_a_new_database_is_left_without_any_table(
    project: Project, database_url: URL, dump: Dump
) -> None:
    empty = dump(database_url)
    project.write("001_first", FIRST)
    done = project.eai("migrate", "rehearse", "--yes", check=True)
    assert "CREATE TABLE users" in done.stdout
    assert dump(database_url) == empty


@pytest.mark.parametrize(
    ("head", "statements", "reason"),
    [
        ('transaction = "autocommit"', ["VACUUM users"], 'it says transaction = "autocommit"'),
        ("", ["VACUUM users"], "it has a statement that refuses to run inside a transaction"),
        (
            "",
            ["ALTER TYPE mood ADD VALUE 'bad'", "commit()", "SELECT 'bad'::mood"],
            "it uses an enum value that it has added before: that needs a real commit",
        ),
        (
            "",
            ["CREATE TABLE t ()", "COMMIT"],
            "it ends the transaction by itself (COMMIT or ROLLBACK as text)",
        ),
        (
            "",
            ["CREATE TABLE t ()", "connection().connection.dbapi_connection.reset()"],
            "it changes how its transactions are made",
        ),
        (
            "",
            ["DO $$ BEGIN COMMIT; END $$"],
            "it commits inside the database, in a procedure or a DO block",
        ),
    ],
    ids=["autocommit", "25001", "55P04", "COMMIT", "reset", "DO"],
)
def test_what_needs_a_real_commit_ends_it(  # noqa: PLR0917
    started: Project,
    database_url: URL,
    everything: Callable[[], tuple[str, str]],
    head: str,
    statements: list[str],
    reason: str,
) -> None:
    started.write("003_good", body("CREATE TABLE good ()"))
    started.write("004_bad", body(*statements, head=head))
    started.write("005_after", body("CREATE TABLE after ()"))
    before = everything()
    request = Request(database=database_url, config=started.path / "alembic.ini")
    found = rehearse(request)
    assert [file.sql for file in found.done] == ["BEGIN;\nCREATE TABLE good ();\nCOMMIT;"]
    assert found.left == ("004_bad", "005_after")
    assert found.reason == reason
    assert everything() == before


def test_what_is_not_rehearsed_is_named_with_the_reason(started: Project) -> None:
    started.write("002_good", body("CREATE TABLE good ()"))
    started.write("003_bad", body("CREATE TABLE bad ()", "VACUUM users"))
    started.write("004_after", body("CREATE TABLE after ()"))
    done = started.eai("migrate", "rehearse", "--yes")
    assert done.returncode == 0
    left = (
        "003_bad, because it has a statement that refuses to run inside a transaction; the "
        "files after it were not rehearsed either: 004_after"
    )
    assert done.stdout == (
        f"-- 002_good.py\nBEGIN;\nCREATE TABLE good ();\nCOMMIT;\n\n-- not rehearsed: {left}\n"
    )
    assert f"Not rehearsed: {left}\nRehearsed 1 migration; everything was" in done.stderr
    assert "failed" not in done.stderr


def test_a_file_that_fails_is_told_as_in_a_real_run(
    started: Project, everything: Callable[[], tuple[str, str]]
) -> None:
    started.write("002_good", body("CREATE TABLE good ()"))
    started.write("003_bad", body("CREATE TABLE bad ()", "commit()", "SELECT nonsense"))
    before = everything()
    done = started.eai("migrate", "rehearse", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^  003_bad  failed after \d\.\d\d s$", done.stderr, re.MULTILINE)
    assert re.search(r"^Error: 003_bad failed: \S+003_bad.py, line 6$", done.stderr, re.MULTILINE)
    assert 'column "nonsense" does not exist' in done.stderr
    assert done.stderr.endswith(
        "This was a rehearsal: everything was rolled back, and nothing is recorded.\n"
        "Correct the file, and type: eai migrate rehearse\n"
    )
    assert everything() == before


def test_a_deferred_constraint_fails_as_at_the_commit(started: Project) -> None:
    started.write(
        "002_bad",
        body(
            "ALTER TABLE orders ADD FOREIGN KEY (owner) REFERENCES users DEFERRABLE "
            "INITIALLY DEFERRED",
            "INSERT INTO orders VALUES (1, 99)",
        ),
    )
    done = started.eai("migrate", "rehearse", "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "violates foreign key constraint" in done.stderr
    assert "at the COMMIT, which checks deferred constraints" in done.stderr


def test_a_late_file_is_warned_about_or_refused_as_in_a_real_run(
    started: Project, database_url: URL
) -> None:
    started.write("000_late", body("CREATE TABLE late ()"))
    reporter = Recording()
    request = Request(database=database_url, config=started.path / "alembic.ini", reporter=reporter)
    found = rehearse(request)
    assert [file.stem for file in found.done] == ["000_late"]
    assert [told for told in reporter.warnings if "000_late.py comes late" in told]
    started.ini(extra="out_of_order = refuse\n")
    with pytest.raises(LedgerError, match="out_of_order = refuse is set"):
        rehearse(request)


def test_it_does_not_queue_long_for_a_lock(started: Project, engine: Engine) -> None:
    started.write("002_b", body("ALTER TABLE users ADD COLUMN more int"))
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE users"))
        done = started.eai("migrate", "rehearse", "--yes")
    assert done.returncode == 1
    assert "canceling statement due to lock timeout" in done.stderr
    assert done.stderr.endswith("Type: eai migrate rehearse\n")


def test_nobody_migrates_meanwhile(started: Project, engine: Engine) -> None:
    started.write("002_b", body("CREATE TABLE b ()"))
    with holding(engine):
        done = started.eai("migrate", "--wait-for-lock", "0", "rehearse", "--yes")
    assert (done.returncode, done.stdout) == (75, "")
    assert "The migration lock of this database was not obtained" in done.stderr


def test_without_a_terminal_it_has_to_be_said_that_it_is_meant(started: Project) -> None:
    started.write("002_b", body("CREATE TABLE b ()"))
    done = started.eai("migrate", "rehearse")
    assert (done.returncode, done.stdout) == (2, "")
    _, what, error = done.stderr.splitlines()
    assert what.startswith("This runs 1 migration (002_b) for real on database bridge_test_")
    assert what.endswith(
        "in one transaction that is rolled back at the end. Until then it holds the locks that it "
        "takes, and whoever needs those tables waits."
    )
    assert error == (
        "Error: There is no terminal to ask on. Nothing was run. To run it without the question, "
        "add --yes."
    )


@pytest.mark.parametrize(
    ("answer", "code", "end"),
    [("y", 0, "COMMIT;"), ("n", 1, "Nothing was run.")],
)
def test_at_a_terminal_it_asks(started: Project, answer: str, code: int, end: str) -> None:
    started.write("002_b", body("CREATE TABLE b ()"))
    ended, written = run_on_terminal(started, "migrate", "rehearse", typed=f"{answer}\n")
    assert ended == code
    assert "Go on? [y/N]:" in written
    assert screen_of(written)[-1].endswith(end)


def test_to_stops_earlier_and_nothing_pending_is_told(started: Project) -> None:
    started.write("002_b", body("CREATE TABLE b ()"))
    started.write("003_c", body("CREATE TABLE c ()"))
    done = started.eai("migrate", "rehearse", "--to", "002", "--yes", check=True)
    assert "002_b" in done.stdout
    assert "003_c" not in done.stdout
    none = started.eai("migrate", "rehearse", "--to", "001", check=True)
    assert none.stdout == ""
    assert none.stderr.endswith("Nothing to rehearse: no migration is pending.\n")


def test_savepoints_become_transactions_again() -> None:
    def script(mode: Mode, *statements: str) -> list[str]:
        file = FileScript(mode)
        for statement in statements:
            file.add(statement)
        return file.text().splitlines()

    sent = (
        "SAVEPOINT bridge_all",
        "one",
        "SAVEPOINT sa_savepoint_2",
        "ROLLBACK TO SAVEPOINT sa_savepoint_2",
        "RELEASE SAVEPOINT bridge_all",
        "SAVEPOINT bridge_all",
        "RELEASE SAVEPOINT bridge_all",
        "SAVEPOINT bridge_all",
        "two;",
        "ROLLBACK TO SAVEPOINT bridge_all",
        "SAVEPOINT mine",
        "three -- four",
    )
    assert script(Mode.DEFAULT, *sent) == [
        "BEGIN;",
        "one;",
        "SAVEPOINT sa_savepoint_2;",
        "ROLLBACK TO SAVEPOINT sa_savepoint_2;",
        "COMMIT;",
        "BEGIN;",
        "two;",
        "ROLLBACK;",
        "BEGIN;",
        "SAVEPOINT mine;",
        "three -- four",
        ";",
        "COMMIT;",
    ]
    assert script(Mode.ATOMIC, "SAVEPOINT bridge_all", "one") == [
        "BEGIN;",
        "SAVEPOINT bridge_all;",
        "one;",
        "COMMIT;",
    ]
    assert script(Mode.DEFAULT) == []
