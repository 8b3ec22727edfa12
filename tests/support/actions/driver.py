"""Actions of the driver's connection: transactions, modes, blocks and threads."""

from __future__ import annotations

import threading
from typing import Any

from psycopg2 import extensions
from sqlalchemy.orm import Session

from support.actions.table import (
    Note,
    action,
    caught,
    count,
    fail,
    fairy,
    put,
    put_by,
    raw,
    run,
    undone,
)

FAILED = "in a transaction that failed"


@action()
def raw_commit(db: Session, note: Note) -> None:
    put(db, "committed by the driver")
    raw(db).commit()


@action()
def raw_rollback(db: Session, note: Note) -> None:
    raw(db).rollback()


@action()
def raw_rollback_of_work(db: Session, note: Note) -> None:
    driver = raw(db)
    put_by(driver.cursor(), "rolled back by the driver")
    driver.rollback()
    put_by(driver.cursor(), "after its rollback")


@action()
def raw_rollback_after_a_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    put(db, "committed")
    db.commit()
    driver.rollback()


@action()
def raw_commit_kept(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.commit()
    put_by(driver.cursor(), "after a commit")
    driver.commit()
    driver.commit()
    put_by(driver.cursor(), "rolled back")
    driver.rollback()


@action()
def fairy_commit(db: Session, note: Note) -> None:
    pooled = fairy(db)
    put_by(pooled.cursor(), "committed by the pool's")
    pooled.commit()


@action()
def fairy_rollback(db: Session, note: Note) -> None:
    pooled = fairy(db)
    put_by(pooled.cursor(), "rolled back by the pool's")
    pooled.rollback()


@action(atomic=False)
def raw_reset(db: Session, note: Note) -> None:
    run(db, "SET work_mem = '5MB'")
    db.commit()
    raw(db).reset()
    note(run(db, "SHOW work_mem").scalar())


@action(atomic=False)
def raw_autocommit(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    driver.autocommit = True
    cursor = driver.cursor()
    put_by(cursor, "in autocommit")
    cursor.execute("CREATE INDEX CONCURRENTLY ON t (what)")
    driver.autocommit = False
    put_by(cursor, "in a transaction")
    driver.rollback()


@action(atomic=False)
def raw_autocommit_within(db: Session, note: Note) -> None:
    with caught(note):
        raw(db).autocommit = True


@action(atomic=False, autocommit=False)
def raw_autocommit_left_on(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    driver.autocommit = True
    put(db, "in autocommit")
    note(driver.autocommit, driver.status)


@action(atomic=False, autocommit=False)
def raw_autocommit_after_a_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    put(db, "committed")
    driver.commit()
    driver.autocommit = True
    put(db, "in autocommit")
    driver.autocommit = False
    put(db, "rolled back")
    driver.rollback()


@action(atomic=False)
def raw_set_session(db: Session, note: Note) -> None:
    driver = raw(db)
    with caught(note):
        driver.set_session(isolation_level="SERIALIZABLE")
    driver.rollback()
    driver.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    cursor = driver.cursor()
    cursor.execute("SELECT current_setting('transaction_isolation')")
    note(cursor.fetchone(), driver.isolation_level, driver.readonly, driver.deferrable)
    with caught(note):
        put_by(cursor, "read only")
    driver.rollback()
    driver.set_session("DEFAULT", readonly="DEFAULT", deferrable="DEFAULT")
    note(driver.isolation_level, driver.readonly, driver.deferrable)
    put_by(cursor, "as before")


@action(atomic=False)
def raw_isolation_level(db: Session, note: Note) -> None:
    driver = raw(db)
    note(driver.isolation_level)
    driver.rollback()
    driver.isolation_level = "REPEATABLE READ"
    note(run(db, "SHOW transaction_isolation").scalar(), driver.isolation_level)
    driver.rollback()
    driver.isolation_level = None
    note(run(db, "SHOW transaction_isolation").scalar())


@action(atomic=False)
def raw_set_isolation_level(db: Session, note: Note) -> None:
    """It rolls back what is there, and so needs no transaction to end before it."""
    driver = raw(db)
    put(db, "rolled back by it")
    driver.set_isolation_level(extensions.ISOLATION_LEVEL_SERIALIZABLE)
    note(run(db, "SHOW transaction_isolation").scalar())
    driver.set_isolation_level(extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    put_by(driver.cursor(), "in autocommit")
    driver.set_isolation_level(extensions.ISOLATION_LEVEL_DEFAULT)


@action()
def raw_with(db: Session, note: Note) -> None:
    with raw(db) as driver, driver.cursor() as cursor:
        put_by(cursor, "in a block of the driver's")


@action()
def raw_with_that_fails(db: Session, note: Note) -> None:
    with caught(note), raw(db) as driver, driver.cursor() as cursor:
        put_by(cursor, "in a block that fails")
        cursor.execute("SELECT nope")


@action()
def raw_with_after_a_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()
    with driver:
        put_by(driver.cursor(), "in a block")
    with caught(note), driver:
        put_by(driver.cursor(), "in a block that fails")
        fail()
    with driver, caught(note), driver:
        pass


@action()
def raw_with_and_the_session(db: Session, note: Note) -> None:
    with raw(db):
        put(db, "by the Session")
    with caught(note), raw(db):
        put(db, "by the Session, and fails")
        db.flush()
        fail()
    db.rollback()


@action(atomic=False, autocommit=False)
def raw_with_in_autocommit(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    driver.autocommit = True
    with driver:
        put_by(driver.cursor(), "a transaction in autocommit")
    with caught(note), driver:
        put_by(driver.cursor(), "which fails")
        fail()
    put_by(driver.cursor(), "in autocommit")
    driver.autocommit = False


@action()
def raw_in_a_thread(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()

    def work(what: str, end: Any) -> None:
        put_by(driver.cursor(), what)
        end()

    for what, end in (("committed there", driver.commit), ("rolled back there", driver.rollback)):
        thread = threading.Thread(target=work, args=(what, end))
        thread.start()
        thread.join()
    put(db, "here")


@action()
def raw_error_swallowed_and_rolled_back(db: Session, note: Note) -> None:
    driver = raw(db)
    with caught(note):
        put_by(driver.cursor(), FAILED)
        driver.cursor().execute("SELECT nope")
    driver.rollback()
    with undone(db, note):
        note(count(db, FAILED))


@action(atomic=False)
def raw_error_in_autocommit(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    driver.autocommit = True
    with caught(note):
        driver.cursor().execute("SELECT nope")
    driver.autocommit = False
    note(driver.status)
