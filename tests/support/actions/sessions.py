"""Actions of the Session itself."""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, count, fail, put, run, undone


@action()
def commit(db: Session, note: Note) -> None:
    put(db, "committed")
    db.commit()


@action()
def commit_twice(db: Session, note: Note) -> None:
    put(db, "committed")
    db.commit()
    db.commit()


@action()
def rollback(db: Session, note: Note) -> None:
    put(db, "rolled back")
    db.rollback()


@action()
def rollback_at_once(db: Session, note: Note) -> None:
    db.rollback()


@action()
def rollback_after_a_commit(db: Session, note: Note) -> None:
    put(db, "committed")
    db.commit()
    db.rollback()


@action()
def rollback_of_what_came_after_a_commit(db: Session, note: Note) -> None:
    put(db, "committed")
    db.commit()
    put(db, "rolled back")
    db.rollback()


@action()
def close(db: Session, note: Note) -> None:
    put(db, "closed over")
    db.close()
    put(db, "after the close")


@action()
def close_at_once(db: Session, note: Note) -> None:
    db.close()


@action()
def reset(db: Session, note: Note) -> None:
    put(db, "reset over")
    db.reset()
    put(db, "after the reset")


@action()
def states(db: Session, note: Note) -> None:
    note(db.in_transaction(), db.in_nested_transaction(), db.is_active, db.autoflush)
    db.commit()
    note(db.in_transaction(), db.in_nested_transaction(), db.is_active, db.get_transaction())
    put(db, "a")
    note(db.in_transaction(), db.connection().in_transaction(), db.connection().closed)


@action()
def begin(db: Session, note: Note) -> None:
    db.commit()
    with db.begin():
        put(db, "in a block")


@action()
def begin_within(db: Session, note: Note) -> None:
    put(db, "begun already")
    with caught(note), db.begin():
        put(db, "never")


@action()
def begin_that_fails(db: Session, note: Note) -> None:
    db.commit()
    with caught(note), db.begin():
        put(db, "in a block that fails")
        fail()


@action()
def begin_nested(db: Session, note: Note) -> None:
    with db.begin_nested():
        put(db, "nested")
    with caught(note), db.begin_nested():
        put(db, "nested, and fails")
        run(db, "SELECT nope")
    put(db, "after the nested ones")


@action()
def begin_nested_rolled_back(db: Session, note: Note) -> None:
    nested = db.begin_nested()
    put(db, "nested")
    nested.rollback()


@action()
def begin_nested_left_open(db: Session, note: Note) -> None:
    db.begin_nested()
    put(db, "nested")


@action()
def commit_with_a_nested_one_open(db: Session, note: Note) -> None:
    db.begin_nested()
    put(db, "nested")
    db.commit()
    put(db, "after it")
    db.rollback()


@action()
def rollback_with_a_nested_one_open(db: Session, note: Note) -> None:
    put(db, "around")
    db.begin_nested()
    put(db, "nested")
    db.rollback()


@action()
def connection_commit(db: Session, note: Note) -> None:
    connection = db.connection()
    put(connection, "by the Connection")
    connection.commit()


@action()
def connection_commit_and_on(db: Session, note: Note) -> None:
    connection = db.connection()
    put(connection, "by the Connection")
    with caught(note):
        connection.commit()
        put(connection, "after its commit")
    db.rollback()


@action()
def connection_rollback(db: Session, note: Note) -> None:
    connection = db.connection()
    put(connection, "by the Connection")
    connection.rollback()


@action()
def connection_rollback_and_on(db: Session, note: Note) -> None:
    connection = db.connection()
    connection.rollback()
    with undone(db, note):
        put(db, "after the Connection's rollback")


@action()
def connection_begin(db: Session, note: Note) -> None:
    with caught(note):
        db.connection().begin()


@action()
def connection_begin_nested(db: Session, note: Note) -> None:
    connection = db.connection()
    nested = connection.begin_nested()
    put(connection, "nested and rolled back")
    nested.rollback()
    with connection.begin_nested():
        put(connection, "nested")


@action()
def connection_kept_over_a_commit(db: Session, note: Note) -> None:
    connection = db.connection()
    db.commit()
    note(connection.closed)
    with caught(note):
        put(connection, "by a Connection of before")


@action()
def connection_two_phase(db: Session, note: Note) -> None:
    with caught(note):
        db.connection().begin_twophase()


@action(atomic=False)
def events_of_the_session(db: Session, note: Note) -> None:
    names = ("before_commit", "after_commit", "after_rollback", "after_soft_rollback")
    listeners = {name: lambda *_, name=name: note(name) for name in names}
    for name, listener in listeners.items():
        event.listen(db, name, listener)
    try:
        put(db, "committed")
        db.commit()
        put(db, "rolled back")
        db.rollback()
    finally:  # what a runner does after a failure is not the file's
        for name, listener in listeners.items():
            event.remove(db, name, listener)


@action(atomic=False)
def events_of_the_connection(db: Session, note: Note) -> None:
    connection = db.connection()
    for name in ("commit", "rollback", "before_cursor_execute"):
        event.listen(connection, name, lambda *_, name=name: note(name))
    put(db, "committed")
    db.commit()
    note(count(db, "committed") > 0)
    db.rollback()


@action()
def identity_of_the_connection(db: Session, note: Note) -> None:
    note(db.connection() is db.connection(), db.connection().closed, db.connection().invalidated)
    note(db.connection().connection.is_valid, db.connection().connection.is_detached)


@action()
def session_as_a_block(db: Session, note: Note) -> None:
    with db:
        put(db, "rolled back at the end of the block")
    with db, db.begin():
        put(db, "committed at the end of the block")


@action()
def transaction_of_the_session(db: Session, note: Note) -> None:
    put(db, "committed by its transaction")
    transaction = db.get_transaction()
    assert transaction is not None
    transaction.commit()
    put(db, "rolled back by its transaction")
    transaction = db.get_transaction()
    assert transaction is not None
    transaction.rollback()


@action()
def transaction_of_the_connection(db: Session, note: Note) -> None:
    put(db, "rolled back by the Connection's transaction")
    transaction = db.connection().get_transaction()
    assert transaction is not None
    transaction.rollback()
    with undone(db, note):
        put(db, "after it")
