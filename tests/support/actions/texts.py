"""Actions that are statements as text: transactions, savepoints, settings, locks."""

from __future__ import annotations

from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, put, raw, run, undone


@action(atomic=False)
def text_commit(db: Session, note: Note) -> None:
    put(db, "committed by text")
    run(db, "COMMIT")


@action(atomic=False)
def text_commit_and_on(db: Session, note: Note) -> None:
    put(db, "committed by text")
    run(db, "COMMIT")
    put(db, "after it")
    db.commit()
    put(db, "rolled back")
    db.rollback()


@action(atomic=False)
def text_commit_then_rollback(db: Session, note: Note) -> None:
    run(db, "COMMIT")
    put(db, "in no transaction")
    db.rollback()


@action(atomic=False)
def text_rollback(db: Session, note: Note) -> None:
    put(db, "rolled back by text")
    run(db, "ROLLBACK")
    put(db, "after it")


@action(atomic=False, autocommit=False)
def text_words(db: Session, note: Note) -> None:
    for end in ("END", "/* a comment */ commit", "COMMIT WORK;", "ABORT", "ROLLBACK TRANSACTION"):
        run(db, "START TRANSACTION")
        put(db, end)
        run(db, end)
    run(db, "BEGIN")
    put(db, "begun by text")
    db.commit()


@action(atomic=False)
def text_chain(db: Session, note: Note) -> None:
    put(db, "committed and chained")
    with undone(db, note):
        run(db, "COMMIT AND CHAIN")
        put(db, "rolled back and chained")
        run(db, "ROLLBACK AND CHAIN")
        put(db, "in the last of the chain")


@action(atomic=False, autocommit=False)
def text_begin(db: Session, note: Note) -> None:
    run(db, "BEGIN")
    put(db, "begun")
    run(db, "COMMIT")
    run(db, "BEGIN ISOLATION LEVEL SERIALIZABLE")
    note(run(db, "SHOW transaction_isolation").scalar())
    put(db, "serializable")
    db.commit()


@action(atomic=False)
def several_in_one_text(db: Session, note: Note) -> None:
    run(db, "INSERT INTO t VALUES ('one'); COMMIT; INSERT INTO t VALUES ('two')")


@action(atomic=False)
def several_in_one_text_that_roll_back(db: Session, note: Note) -> None:
    raw(db).cursor().execute("INSERT INTO t VALUES ('one'); ROLLBACK; INSERT INTO t VALUES ('two')")


@action()
def several_in_one_text_without_end(db: Session, note: Note) -> None:
    note(run(db, "INSERT INTO t VALUES ('one'); SELECT 2").scalar())


@action(atomic=False)
def text_by_a_raw_cursor(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    cursor.execute("INSERT INTO t VALUES ('committed by text')")
    cursor.execute("COMMIT")
    cursor.execute("INSERT INTO t VALUES ('in no transaction')")
    raw(db).rollback()


@action()
def savepoint_as_text(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "SAVEPOINT a")
        put(db, "rolled back")
        run(db, "ROLLBACK TO SAVEPOINT a")
        put(db, "released")
        run(db, "RELEASE SAVEPOINT a")


@action(atomic=False)
def savepoint_as_text_over_a_commit(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "SAVEPOINT a")
        db.commit()
        run(db, "ROLLBACK TO SAVEPOINT a")


@action(atomic=False)
def set_transaction(db: Session, note: Note) -> None:
    db.commit()
    run(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    note(run(db, "SHOW transaction_isolation").scalar())
    db.commit()
    note(run(db, "SHOW transaction_isolation").scalar())
    with undone(db, note):
        run(db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")


@action(atomic=False)
def session_characteristics(db: Session, note: Note) -> None:
    run(db, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    db.commit()
    note(run(db, "SHOW transaction_isolation").scalar())
    run(db, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")
    db.commit()


@action(atomic=False)
def set_local(db: Session, note: Note) -> None:
    run(db, "SET LOCAL work_mem = '5MB'")
    note(run(db, "SHOW work_mem").scalar())
    db.commit()
    note(run(db, "SHOW work_mem").scalar())


@action()
def set_rolled_back(db: Session, note: Note) -> None:
    run(db, "SET work_mem = '5MB'")
    db.rollback()
    note(run(db, "SHOW work_mem").scalar())
    run(db, "SET work_mem = '6MB'")
    db.commit()
    db.rollback()
    note(run(db, "SHOW work_mem").scalar())
    run(db, "RESET work_mem")


@action()
def search_path(db: Session, note: Note) -> None:
    run(db, "CREATE SCHEMA IF NOT EXISTS elsewhere")
    run(db, "SET search_path = elsewhere")
    db.commit()
    run(db, "CREATE TABLE IF NOT EXISTS there (n int)")
    note(run(db, "SHOW search_path").scalar())
    db.commit()
    run(db, "SET search_path = public")
    # Else a rollback that comes next would leave the other one, as below.
    db.commit()


@action(means=search_path, why="Bridge puts back what a file changed for itself.")
def search_path_left(db: Session, note: Note) -> None:
    search_path(db, note)
    run(db, "SET search_path = elsewhere")
    db.commit()


@action()
def lock_timeout(db: Session, note: Note) -> None:
    run(db, "SET lock_timeout = '77s'")
    note(run(db, "SHOW lock_timeout").scalar())
    db.rollback()
    run(db, "SET LOCAL lock_timeout = '78s'")
    note(run(db, "SHOW lock_timeout").scalar())


@action(atomic=False)
def vacuum_after_a_commit_as_text(db: Session, note: Note) -> None:
    run(db, "COMMIT")
    run(db, "VACUUM t")


@action()
def vacuum_within(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "VACUUM t")


@action()
def vacuum_after_a_commit(db: Session, note: Note) -> None:
    db.commit()
    with undone(db, note):
        run(db, "VACUUM t")


@action(atomic=False)
def discard_all(db: Session, note: Note) -> None:
    run(db, "SET work_mem = '5MB'")
    run(db, "COMMIT")
    run(db, "DISCARD ALL")
    note(run(db, "SHOW work_mem").scalar())
    db.commit()


@action()
def discard_all_within(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "DISCARD ALL")


@action()
def reset_all(db: Session, note: Note) -> None:
    run(db, "SET work_mem = '5MB'")
    run(db, "RESET ALL")
    note(run(db, "SHOW work_mem").scalar())


@action()
def lock_table(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE")
        db.commit()
        run(db, "LOCK TABLE t")


@action(atomic=False)
def advisory_locks(db: Session, note: Note) -> None:
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7"
    run(db, "SELECT pg_advisory_xact_lock(7, 1), pg_advisory_lock(7, 2)")
    note(run(db, held).scalar())
    db.commit()
    note(run(db, held).scalar(), run(db, "SELECT pg_advisory_unlock(7, 2)").scalar())


@action()
def prepared_statement(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "PREPARE p AS SELECT 1")
        db.commit()
        note(run(db, "EXECUTE p").scalar())
        run(db, "DEALLOCATE p")


@action(atomic=False)
def do_that_commits(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "DO $$ BEGIN INSERT INTO t VALUES ('in a DO'); COMMIT; END $$")
    run(db, "COMMIT")
    with undone(db, note):
        run(db, "DO $$ BEGIN INSERT INTO t VALUES ('and again'); COMMIT; END $$")


@action(atomic=False)
def procedure_that_commits(db: Session, note: Note) -> None:
    run(
        db,
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES ('1'); "
        "COMMIT; INSERT INTO t VALUES ('2'); ROLLBACK; INSERT INTO t VALUES ('3'); END $$",
    )
    db.commit()
    with undone(db, note):
        run(db, "CALL p()")
    db.commit()
    db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    run(db, "CALL p()")
    db.commit()


@action()
def concurrently_within(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "CREATE INDEX CONCURRENTLY ON t (what)")
    with caught(note):
        db.commit()
