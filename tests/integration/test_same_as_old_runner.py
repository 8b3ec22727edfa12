"""Files written for the old runner mean the same under bridge: each runs under both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import MigrationError
from support.both import Both, outcome
from support.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import URL


@pytest.fixture
def both(tmp_path: Path, create_database: Callable[[], URL]) -> Both:
    return Both(tmp_path, create_database)


#: Files that do not fail, with the rows of `t` that they leave.
GOOD = {
    "one commit at the end": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        """,
        ["(1,)"],
    ),
    "no commit at all": ('run(db, "INSERT INTO t VALUES (1)")', ["(1,)"]),
    "nothing at all": ("pass", []),
    "commits only": ("db.commit(); db.commit()", []),
    "commits in the middle": (
        """
        for n in range(3):
            run(db, "INSERT INTO t VALUES (:n)", n=n)
            db.commit()
        run(db, "CREATE TABLE more (n int)")
        """,
        ["(0,)", "(1,)", "(2,)"],
    ),
    "a new enum value, committed and used": (
        """
        run(db, "CREATE TYPE mood AS ENUM ('sad')")
        run(db, "CREATE TABLE moods (m mood)")
        db.commit()
        run(db, "ALTER TYPE mood ADD VALUE 'happy'")
        db.commit()
        run(db, "INSERT INTO moods VALUES ('happy')")
        db.commit()
        """,
        [],
    ),
    "a deferred constraint that fails at a commit": (
        """
        from sqlalchemy.exc import IntegrityError
        run(db, "CREATE TABLE c (n int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        db.commit()
        run(db, "INSERT INTO c VALUES (7)")
        try:
            db.commit()
        except IntegrityError:
            db.rollback()
            run(db, "INSERT INTO t VALUES (7, 'then the parent')")
            run(db, "INSERT INTO c VALUES (7)")
        db.commit()
        """,
        ['(7,"then the parent")'],
    ),
    "try, except, rollback": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        try:
            run(db, "INSERT INTO t VALUES (2)")
            run(db, "INSERT INTO t VALUES (1)")
            db.commit()
        except Exception:
            db.rollback()
        run(db, "INSERT INTO t VALUES (3)")
        db.commit()
        """,
        ["(1,)", "(3,)"],
    ),
    "a rollback after a commit": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        db.rollback()
        """,
        ["(1,)"],
    ),
    "a rollback after a commit and another statement": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        run(db, "INSERT INTO t VALUES (2)")
        db.rollback()
        """,
        ["(1,)"],
    ),
    "an object added and rolled back": (
        """
        from sqlalchemy.orm import declarative_base
        from sqlalchemy import Column, Integer, Text
        class T(declarative_base()):
            __tablename__ = "t"
            n = Column(Integer, primary_key=True)
            note = Column(Text)
        db.add(T(n=1))
        db.commit()
        db.add(T(n=2))
        db.rollback()
        assert not db.new
        """,
        ["(1,)"],
    ),
    "objects across commits": (
        """
        from sqlalchemy.orm import declarative_base
        from sqlalchemy import Column, Integer, Text
        class T(declarative_base()):
            __tablename__ = "t"
            n = Column(Integer, primary_key=True)
            note = Column(Text)
        one = T(n=1, note="first")
        db.add(one)
        db.commit()
        assert inspect(one).expired
        run(db, "UPDATE t SET note = 'changed below it'")
        assert one.note == "changed below it"
        assert db.get(T, 1) is one
        one.note += ", then above it"
        db.commit()
        db.add(T(n=2, note=f"after {one.note}"))
        db.flush()
        db.commit()
        db.delete(one)
        """,
        ['(2,"after changed below it, then above it")'],
    ),
    "a query after an object was added, which does not see it": (
        """
        from sqlalchemy.orm import declarative_base
        from sqlalchemy import Column, Integer, Text
        class T(declarative_base()):
            __tablename__ = "t"
            n = Column(Integer, primary_key=True)
            note = Column(Text)
        db.add(T(n=1))
        seen = db.query(T).count()
        db.add(T(n=2, note=f"{seen} seen"))
        """,
        ["(1,)", '(2,"0 seen")'],
    ),
    "savepoints": (
        """
        with db.begin_nested():
            run(db, "INSERT INTO t VALUES (1)")
        try:
            with db.begin_nested():
                run(db, "INSERT INTO t VALUES (2)")
                run(db, "INSERT INTO t VALUES (1)")
        except Exception:
            pass
        run(db, "INSERT INTO t VALUES (3)")
        db.commit()
        with db.begin_nested() as savepoint:
            run(db, "INSERT INTO t VALUES (4)")
            savepoint.rollback()
        db.begin_nested()
        run(db, "INSERT INTO t VALUES (5)")
        db.commit()
        """,
        ["(1,)", "(3,)", "(5,)"],
    ),
    "a savepoint left open": (
        """
        db.begin_nested()
        run(db, "INSERT INTO t VALUES (1)")
        """,
        ["(1,)"],
    ),
    "begin blocks": (
        """
        with db.begin():
            run(db, "INSERT INTO t VALUES (1)")
        with db.begin():
            run(db, "INSERT INTO t VALUES (2)")
        try:
            with db.begin():
                run(db, "INSERT INTO t VALUES (3)")
                raise ValueError
        except ValueError:
            pass
        with db.begin():
            run(db, "INSERT INTO t VALUES (4)")
        """,
        ["(1,)", "(2,)", "(4,)"],
    ),
    "COMMIT as text": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "COMMIT")
        run(db, "CREATE INDEX CONCURRENTLY i ON t (note)")
        run(db, "INSERT INTO t VALUES (2)")
        """,
        ["(1,)", "(2,)"],
    ),
    "BEGIN and COMMIT as text": (
        """
        run(db, "BEGIN")
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "COMMIT")
        run(db, "BEGIN")
        run(db, "INSERT INTO t VALUES (2)")
        run(db, "ROLLBACK")
        run(db, "BEGIN; INSERT INTO t VALUES (3); COMMIT;")
        db.commit()
        """,
        ["(1,)", "(3,)"],
    ),
    "commit on the driver's connection": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.connection().connection.commit()
        run(db, "INSERT INTO t VALUES (2)")
        db.connection().connection.rollback()
        run(db, "INSERT INTO t VALUES (3)")
        """,
        ["(1,)", "(3,)"],
    ),
    "an engine of its own": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        with other_engine(db).begin() as other:
            seen = other.scalar(text("SELECT count(*) FROM t"))
            other.execute(text("INSERT INTO t VALUES (2, :seen)"), {"seen": seen})
        run(db, "INSERT INTO t VALUES (3)")
        """,
        ["(1,)", "(2,1)", "(3,)"],
    ),
    "an engine in a thread": (
        """
        import threading
        def count():
            with other_engine(db).begin() as other:
                seen = other.scalar(text("SELECT count(*) FROM t"))
                other.execute(text("INSERT INTO t VALUES (2, :seen)"), {"seen": seen})
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
        """,
        ["(1,)", "(2,1)"],
    ),
    "the driver's own connection, a moment after a commit": (
        """
        import psycopg2, time
        url = db.get_bind().engine.url.set(drivername="postgresql")
        run(db, "LOCK TABLE t")
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        other = psycopg2.connect(url.render_as_string(hide_password=False))
        cursor = other.cursor()
        cursor.execute("INSERT INTO t SELECT 2, count(*) FROM t")
        other.commit()
        other.close()
        """,
        ["(1,)", "(2,1)"],
    ),
    "close in the middle": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        db.close()
        run(db, "INSERT INTO t VALUES (2)")
        db.close()
        run(db, "INSERT INTO t VALUES (3)")
        db.reset()
        run(db, "INSERT INTO t VALUES (4)")
        db.commit()
        db.close()
        """,
        ["(1,)", "(4,)"],
    ),
    "get_bind for inspect and create_all": (
        """
        from sqlalchemy import Column, Integer, MetaData, Table
        assert inspect(db.get_bind()).has_table("t")
        metadata = MetaData()
        Table("made", metadata, Column("n", Integer, primary_key=True))
        metadata.create_all(db.get_bind())
        metadata.create_all(bind=db.bind)
        run(db, "INSERT INTO made VALUES (1)")
        db.commit()
        """,
        [],
    ),
    "autocommit for a statement that wants it": (
        """
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, "CREATE INDEX CONCURRENTLY i ON t (note)")
        run(db, "VACUUM t")
        run(db, "INSERT INTO t VALUES (1)")
        db.rollback()
        run(db, "INSERT INTO t VALUES (2)")
        db.rollback()
        db.begin()
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, "VACUUM t")
        db.commit()
        run(db, "INSERT INTO t VALUES (3)")
        """,
        ["(1,)", "(3,)"],
    ),
    "autocommit to the end": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, "CREATE INDEX CONCURRENTLY i ON t (note)")
        """,
        ["(1,)"],
    ),
    "serializable": (
        """
        db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        run(db, "INSERT INTO t SELECT 1, current_setting('transaction_isolation')")
        db.commit()
        run(db, "INSERT INTO t SELECT 2, current_setting('transaction_isolation')")
        db.commit()
        db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        run(db, "INSERT INTO t SELECT 3, current_setting('transaction_isolation')")
        db.commit()
        """,
        ["(1,serializable)", '(2,"read committed")', "(3,serializable)"],
    ),
    "many rows at once": (
        """
        from psycopg2.extras import DictCursor, execute_values
        from sqlalchemy import insert, table, column, Column, Integer, Text
        from sqlalchemy.orm import declarative_base
        class T(declarative_base()):
            __tablename__ = "t"
            n = Column(Integer, primary_key=True)
            note = Column(Text)
        db.bulk_insert_mappings(T, [{"n": 1}, {"n": 2}])
        db.commit()
        db.execute(insert(T), [{"n": 3}, {"n": 4}])
        db.bulk_save_objects([T(n=5), T(n=6)])
        db.commit()
        raw = db.connection().connection
        with raw.cursor(cursor_factory=DictCursor) as cursor:
            execute_values(cursor, "INSERT INTO t (n) VALUES %s", [(7,), (8,)])
        db.commit()
        db.connection().connection.cursor().execute("INSERT INTO t VALUES (9)")
        db.rollback()
        """,
        [f"({n},)" for n in range(1, 9)],
    ),
    "COPY": (
        """
        import io
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        cursor = db.connection().connection.cursor()
        cursor.copy_expert("COPY t FROM STDIN", io.StringIO("2\\tcopied\\n"))
        db.commit()
        cursor = db.connection().connection.cursor()
        try:
            cursor.copy_expert("COPY t FROM STDIN", io.StringIO("2\\tagain\\n"))
        except Exception:
            db.rollback()
        """,
        ["(1,)", "(2,copied)"],
    ),
    "a temporary table that is dropped at the commit": (
        """
        run(db, "CREATE TEMP TABLE tmp ON COMMIT DROP AS SELECT 1 AS n")
        run(db, "INSERT INTO t SELECT n FROM tmp")
        db.commit()
        run(db, "INSERT INTO t SELECT 2, to_regclass('tmp') IS NULL")
        db.commit()
        """,
        ["(1,)", "(2,true)"],
    ),
    "SET LOCAL": (
        """
        show = "INSERT INTO t SELECT :n, current_setting('lock_timeout')"
        run(db, "SET LOCAL lock_timeout = '3s'")
        run(db, show, n=1)
        db.commit()
        run(db, show, n=2)
        run(db, "SET LOCAL lock_timeout = '4s'")
        run(db, show, n=3)
        """,
        ["(1,3s)", "(2,0)", "(3,4s)"],
    ),
    "LISTEN and NOTIFY": (
        """
        raw = db.connection().connection
        run(db, "LISTEN c")
        db.commit()
        run(db, "NOTIFY c, 'hello'")
        db.commit()
        import time
        connection = db.connection().connection.dbapi_connection
        for _ in range(100):
            connection.poll()
            if connection.notifies:
                break
            time.sleep(0.01)
        run(db, "INSERT INTO t VALUES (1, :note)", note=connection.notifies[0].payload)
        """,
        ["(1,hello)"],
    ),
    "rows read while others are committed": (
        """
        run(db, "INSERT INTO t SELECT generate_series(1, 3)")
        for row in run(db, "SELECT n FROM t ORDER BY n"):
            run(db, "UPDATE t SET note = :n WHERE n = :n", n=row.n)
            db.commit()
        """,
        ["(1,1)", "(2,2)", "(3,3)"],
    ),
    "rows read from the server": (
        """
        run(db, "INSERT INTO t SELECT generate_series(1, 3)")
        db.commit()
        rows = db.execute(text("SELECT n FROM t ORDER BY n"), execution_options={"yield_per": 1})
        for row in rows:
            run(db, "UPDATE t SET note = :n WHERE n = :n", n=row.n)
        db.commit()
        """,
        ["(1,1)", "(2,2)", "(3,3)"],
    ),
    "classes at module level": (
        """
        from dataclasses import dataclass
        from typing import ClassVar
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
        class Base(DeclarativeBase):
            pass
        class T(Base):
            __tablename__ = "t"
            n: Mapped[int] = mapped_column(primary_key=True)
            note: Mapped[str | None]
        @dataclass
        class Row:
            kind: ClassVar[str] = "row"
            n: int
        def upgrade(db):
            row = Row(1)
            db.add(T(n=row.n, note=Row.kind))
        """,
        ["(1,row)"],
    ),
    "a search_path left behind": (
        """
        run(db, "CREATE SCHEMA elsewhere")
        run(db, "SET search_path = elsewhere")
        run(db, "INSERT INTO public.t VALUES (1)")
        db.commit()
        run(db, "SET search_path = public")
        db.commit()
        """,
        ["(1,)"],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_file_does_the_same(both: Both, name: str) -> None:
    body, rows = GOOD[name]
    done = both.same(body)
    assert done.error is None
    assert done.recorded == ["001_file"]
    assert done.rows["t"] == rows


#: Files that fail, with the rows of `t` that stay.
BAD = {
    "before the only commit": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "SELECT 1 / 0")
        db.commit()
        """,
        [],
    ),
    "after two commits": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        run(db, "INSERT INTO t VALUES (2)")
        db.commit()
        run(db, "INSERT INTO t VALUES (3)")
        raise ValueError
        """,
        ["(1,)", "(2,)"],
    ),
    "just after a commit": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        raise ValueError
        """,
        ["(1,)"],
    ),
    "after a commit, in a statement of the driver's": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        cursor = db.connection().connection.cursor()
        cursor.execute("INSERT INTO t VALUES (2)")
        cursor.execute("SELECT 1 / 0")
        """,
        ["(1,)"],
    ),
    "after a commit of the driver's": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.connection().connection.commit()
        run(db, "INSERT INTO t VALUES (2)")
        raise ValueError
        """,
        ["(1,)"],
    ),
    "after a COMMIT as text": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "COMMIT")
        run(db, "INSERT INTO t VALUES (2)")
        raise ValueError
        """,
        ["(1,)", "(2,)"],
    ),
    "after a close": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        db.close()
        run(db, "INSERT INTO t VALUES (2)")
        raise ValueError
        """,
        [],
    ),
    "in the autocommit that the file asked for": (
        """
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "SELECT 1 / 0")
        """,
        ["(1,)"],
    ),
    "in a deferred constraint at the end": (
        """
        run(db, "CREATE TABLE c (n int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        run(db, "INSERT INTO c VALUES (1)")
        """,
        [],
    ),
    "going on without a rollback after a failed commit": (
        """
        run(db, "CREATE TABLE c (n int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        run(db, "INSERT INTO c VALUES (1)")
        try:
            db.commit()
        except Exception:
            pass
        run(db, "INSERT INTO t VALUES (1)")
        """,
        [],
    ),
    "in a flush": (
        """
        from sqlalchemy.orm import declarative_base
        from sqlalchemy import Column, Integer
        class T(declarative_base()):
            __tablename__ = "t"
            n = Column(Integer, primary_key=True)
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        db.add(T(n=2))
        db.flush()
        db.add(T(n=1))
        db.commit()
        """,
        ["(1,)"],
    ),
    "a new enum value used before a commit": (
        """
        run(db, "CREATE TYPE mood AS ENUM ('sad')")
        db.commit()
        run(db, "ALTER TYPE mood ADD VALUE 'happy'")
        run(db, "SELECT 'happy'::mood")
        """,
        [],
    ),
    "at import": ("raise ValueError\ndef upgrade(db): pass", []),
    "by KeyboardInterrupt": ('run(db, "INSERT INTO t VALUES (1)"); raise KeyboardInterrupt', []),
    "by SystemExit": ('run(db, "INSERT INTO t VALUES (1)"); raise SystemExit(3)', []),
    "by sys.exit() after a commit": (
        """
        import sys
        run(db, "INSERT INTO t VALUES (1)")
        db.commit()
        run(db, "INSERT INTO t VALUES (2)")
        sys.exit()
        """,
        ["(1,)"],
    ),
    "in the second statement, caught, with a value left over": (
        """
        run(db, "INSERT INTO t VALUES (1)")
        try:
            run(db, "SELECT 1 / 0")
        except Exception:
            pass
        run(db, "INSERT INTO t VALUES (2)")
        """,
        [],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_fails_and_leaves_the_same(both: Both, name: str) -> None:
    body, rows = BAD[name]
    done = both.same(body, 'run(db, "CREATE TABLE never (n int)")')
    assert done.error is not None
    assert done.recorded == []
    assert done.rows["t"] == rows


def test_several_files_do_the_same_and_a_failure_stops_the_run(both: Both) -> None:
    done = both.same(
        'run(db, "INSERT INTO t VALUES (1)")',
        'run(db, "INSERT INTO t VALUES (2)"); db.commit()',
        'run(db, "INSERT INTO t VALUES (3)"); raise ValueError',
        'run(db, "INSERT INTO t VALUES (4)")',
    )
    assert done.recorded == ["001_file", "002_file"]
    assert done.rows["t"] == ["(1,)", "(2,)"]


def test_rows_read_from_the_server_do_not_survive_a_commit(both: Both) -> None:
    """Where exactly the file fails differs: the COMMIT is not sent before the next statement."""
    old, new = both(
        """
        run(db, "INSERT INTO t SELECT generate_series(1, 9)")
        db.commit()
        rows = db.execute(text("SELECT n FROM t ORDER BY n"), execution_options={"yield_per": 2})
        for row in rows:
            run(db, "UPDATE t SET note = 'seen' WHERE n = :n", n=row.n)
            db.commit()
        """
    )
    assert "named cursor isn't valid anymore" in str(old.error)
    assert "named cursor isn't valid anymore" in str(new.error)
    assert new.recorded == old.recorded == []


LOST = """
run(db, "INSERT INTO t VALUES (1)")
try:
    run(db, "SELECT 1 / 0")
except Exception:
    pass
"""


@pytest.mark.parametrize("commit", ["", "db.commit()", "db.connection().commit()"])
def test_work_lost_in_an_aborted_transaction_is_not_recorded(both: Both, commit: str) -> None:
    """The old runner recorded it, and the row was never written."""
    old, new = both(LOST + commit)
    assert old.rows["t"] == new.rows["t"] == []
    assert old.recorded == ["001_file"] or commit.startswith("db.connection")
    assert isinstance(new.error, MigrationError)
    assert "A statement failed (division by zero) and the file went on without" in str(new.error)
    assert new.recorded == []


@pytest.mark.parametrize("commit", ["", "db.commit()"])
@pytest.mark.parametrize(
    ("sqlstate", "text"),
    [("55P03", "lock"), ("40P01", "deadlock"), ("57014", "cancelled")],
)
def test_an_error_that_leaves_work_undone_is_not_swallowed(
    both: Both, sqlstate: str, text: str, commit: str
) -> None:
    old, new = both(
        f"""
        try:
            run(db, "DO $$ BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{sqlstate}'; END $$")
        except Exception:
            db.rollback()
        run(db, "INSERT INTO t VALUES (1)")
        {commit}
        """
    )
    assert old.recorded == ["001_file"]
    assert isinstance(new.error, MigrationError)
    assert f"The file caught an error and went on, but some of its work is missing: {text}" in str(
        new.error
    )
    assert new.recorded == []
    assert new.rows["t"] == []


def test_roles_and_settings_left_behind_do_not_reach_the_record(both: Both) -> None:
    """The old runner failed to record the first, or recorded it in another schema."""
    _, new = both(
        """
        run(db, "CREATE SCHEMA elsewhere")
        run(db, "CREATE TABLE elsewhere.schema_migrations (LIKE schema_migrations)")
        run(db, "INSERT INTO t VALUES (1)")
        run(db, "SET search_path = elsewhere")
        run(db, "SET ROLE pg_monitor")
        run(db, "SET lock_timeout = '1ms'")
        db.commit()
        """,
        """
        same = "current_setting('lock_timeout') || (current_user = session_user)"
        run(db, f"INSERT INTO t SELECT 2, {same}")
        """,
    )
    assert new.error is None
    assert new.recorded == ["001_file", "002_file"]
    assert new.rows["t"] == ["(1,)", "(2,0true)"]


def test_modules_of_the_team_are_found(tmp_path: Path, database_url: URL) -> None:
    """As processes: what is on sys.path decides."""
    project = Project.create(tmp_path / "project", database_url)
    project.ini(extra="prepend_sys_path = %(here)s")
    (project.path / "app").mkdir()
    (project.path / "app/__init__.py").write_text("WORD = 'from the package'\n")
    (project.migrations / "_helper.py").write_text("WORD = 'from beside it'\n")
    project.write(
        "001_file",
        """
        from sqlalchemy import text
        import app
        from migrations import _helper
        def upgrade(db):
            db.execute(text("CREATE TABLE t AS SELECT :a AS a, :b AS b"),
                       {"a": app.WORD, "b": _helper.WORD})
        """,
    )
    project.alembic("upgrade", "head", check=True)
    assert outcome(database_url).rows["t"] == ['("from the package","from beside it")']
    assert not list(project.path.rglob("001_file*.pyc"))
