"""Actions that show whether a commit was real: what fails at it, ends with it, or is seen then."""

from __future__ import annotations

import select
import subprocess
import sys
from contextlib import closing
from typing import Any

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from support.actions.table import Note, action, caught, count, put, put_by, raw, run, undone

PARENTS = """
CREATE TABLE IF NOT EXISTS p (n int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS c (n int REFERENCES p DEFERRABLE INITIALLY DEFERRED)
"""


def second(db: Session) -> Any:
    """A connection of the driver's beside the migration's."""
    url = db.get_bind().engine.url.set(drivername="postgresql")
    return psycopg2.connect(url.render_as_string(hide_password=False))


def parents(db: Session) -> None:
    """Make two tables, one of which refers to the other when a transaction ends."""
    run(db, PARENTS)
    db.commit()


@action()
def deferred_constraint(db: Session, note: Note) -> None:
    parents(db)
    with undone(db, note):
        run(db, "INSERT INTO c VALUES (7)")
        db.commit()
    put(db, "after it")
    db.commit()
    run(db, "INSERT INTO c VALUES (8)")
    run(db, "INSERT INTO p VALUES (8) ON CONFLICT DO NOTHING")
    db.commit()


@action(atomic=False, telling=("committed", "returns"))
def deferred_constraint_at_the_end(db: Session, note: Note) -> None:
    parents(db)
    run(db, "INSERT INTO c VALUES (9)")


@action()
def deferred_constraint_by_the_driver(db: Session, note: Note) -> None:
    parents(db)
    driver = raw(db)
    cursor = driver.cursor()
    with caught(note):
        cursor.execute("INSERT INTO c VALUES (7)")
        driver.commit()
    put_by(cursor, "after a commit that failed")
    driver.commit()


@action()
def deferred_constraint_swallowed(db: Session, note: Note) -> None:
    parents(db)
    with caught(note):
        run(db, "INSERT INTO c VALUES (7)")
        db.commit()
    with undone(db, note):
        put(db, "after a commit that failed")
        db.commit()


@action(atomic=False)
def constraints_set(db: Session, note: Note) -> None:
    parents(db)
    with undone(db, note):
        run(db, "SET CONSTRAINTS ALL IMMEDIATE")
        run(db, "INSERT INTO c VALUES (7)")
    with undone(db, note):
        run(db, "SET CONSTRAINTS ALL IMMEDIATE")
        db.commit()
        run(db, "INSERT INTO c VALUES (7)")
        note("deferred again")
        db.commit()


@action(atomic=False)
def constraint_trigger(db: Session, note: Note) -> None:
    """What a trigger does at a commit is done at the only one in a file that is atomic."""
    run(
        db,
        "CREATE OR REPLACE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO t VALUES ('by a trigger at the commit'); RETURN NULL; END $$; "
        "CREATE TABLE IF NOT EXISTS late (n int); DROP TRIGGER IF EXISTS late ON late; "
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION late()",
    )
    db.commit()
    run(db, "INSERT INTO late VALUES (1)")
    note(count(db, "by a trigger at the commit") > 0)
    db.commit()
    note(count(db, "by a trigger at the commit") > 0)


@action(atomic=False)
def serializable_that_fails_at_its_commit(db: Session, note: Note) -> None:
    run(db, "CREATE TABLE IF NOT EXISTS s (n int, v int)")
    run(db, "INSERT INTO s VALUES (1, 0), (2, 0)")
    db.commit()
    with closing(second(db)) as other:
        other.set_session(isolation_level="SERIALIZABLE")
        with undone(db, note):
            db.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            run(db, "SELECT sum(v) FROM s")
            cursor = other.cursor()
            cursor.execute("SELECT sum(v) FROM s")
            cursor.execute("UPDATE s SET v = v + 1 WHERE n = 1")
            run(db, "UPDATE s SET v = v + 1 WHERE n = 2")
            other.commit()
            db.commit()
    put(db, "after it")
    db.commit()


@action(atomic=False)
def temporary_table_on_commit(db: Session, note: Note) -> None:
    gone = "SELECT to_regclass('pg_temp.gone') IS NULL, to_regclass('pg_temp.kept') IS NULL"
    run(db, "CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT 1 AS n")
    run(db, "CREATE TEMP TABLE IF NOT EXISTS kept (n int) ON COMMIT DELETE ROWS")
    run(db, "INSERT INTO kept VALUES (1)")
    note(run(db, gone).one())
    db.commit()
    note(run(db, gone).one(), run(db, "SELECT count(*) FROM kept").scalar())
    run(db, "DROP TABLE kept")


@action(atomic=False)
def now_changes(db: Session, note: Note) -> None:
    before = run(db, "SELECT now()").scalar()
    note(run(db, "SELECT now()").scalar() == before)
    db.commit()
    note(run(db, "SELECT now()").scalar() > before)


@action(atomic=False)
def transaction_ids_change(db: Session, note: Note) -> None:
    before = run(db, "SELECT pg_current_xact_id()").scalar()
    put(db, "x")
    db.commit()
    note(run(db, "SELECT pg_xact_status(CAST(:x AS xid8))", x=before).scalar())
    note(run(db, "SELECT pg_current_xact_id()").scalar() != before)


@action(atomic=False)
def enum_value_used(db: Session, note: Note) -> None:
    run(db, "DROP TYPE IF EXISTS mood")
    run(db, "CREATE TYPE mood AS ENUM ('sad')")
    db.commit()
    run(db, "ALTER TYPE mood ADD VALUE 'happy'")
    with undone(db, note):
        run(db, "SELECT 'happy'::mood")
    run(db, "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'happy'")
    db.commit()
    note(run(db, "SELECT 'happy'::mood::text").scalar())


@action()
def sequence(db: Session, note: Note) -> None:
    run(db, "CREATE SEQUENCE IF NOT EXISTS q")
    db.commit()
    first = run(db, "SELECT nextval('q')").scalar()
    db.rollback()
    note(run(db, "SELECT nextval('q')").scalar() - first)


@action(atomic=False)
def notify(db: Session, note: Note) -> None:
    driver = raw(db)
    run(db, "LISTEN heard")
    db.commit()
    run(db, "NOTIFY heard, 'committed'")
    db.commit()
    run(db, "NOTIFY heard, 'rolled back'")
    db.rollback()
    select.select([driver], [], [], 5)
    driver.poll()
    note([each.payload for each in driver.notifies])
    del driver.notifies[:]
    run(db, "UNLISTEN heard")
    db.commit()


@action(atomic=False)
def second_connection(db: Session, note: Note) -> None:
    put(db, "seen by others")
    db.commit()
    with closing(second(db)) as other:
        cursor = other.cursor()
        cursor.execute("SELECT count(*) FROM t WHERE what = 'seen by others'")
        note(cursor.fetchone())
        put_by(cursor, "by a second connection")
        other.commit()
    note(count(db, "by a second connection"))


@action(atomic=False)
def second_connection_made_before(db: Session, note: Note) -> None:
    db.commit()
    with closing(second(db)) as other:
        cursor = other.cursor()
        for each in ("one", "two"):
            put(db, each)
            db.commit()
            cursor.execute("SELECT count(*) FROM t WHERE what = %s", (each,))
            note(cursor.fetchone())
            other.rollback()


@action(atomic=False)
def second_connection_that_locks(db: Session, note: Note) -> None:
    """It would wait for ever for a commit that is owed."""
    run(db, "LOCK TABLE t")
    db.commit()
    with closing(second(db)) as other:
        other.cursor().execute("LOCK TABLE t")
        put_by(other.cursor(), "behind a lock")
        other.commit()
    note(count(db, "behind a lock"))


@action(atomic=False)
def second_engine_of_another_driver(db: Session, note: Note) -> None:
    put(db, "seen by others")
    url = db.get_bind().engine.url.set(drivername="postgresql+psycopg")
    db.commit()
    with create_engine(url, poolclass=NullPool).begin() as connection:
        note(count(connection, "seen by others"))
        put(connection, "by another driver")
    note(count(db, "by another driver"))


PROGRAM = """
import sys, psycopg2
connection = psycopg2.connect(sys.argv[1])
connection.cursor().execute("INSERT INTO t SELECT 'a program saw ' || count(*) FROM t")
connection.commit()
"""


@action(atomic=False)
def another_program(db: Session, note: Note) -> None:
    """Nothing else of the file comes after the commit that the program needs."""
    url = db.get_bind().engine.url.set(drivername="postgresql")
    address = url.render_as_string(hide_password=False)
    run(db, "LOCK TABLE t")
    db.commit()
    subprocess.run([sys.executable, "-c", PROGRAM, address], check=True, timeout=120)
    note(run(db, "SELECT count(*) FROM t WHERE what LIKE 'a program saw%'").scalar())
