"""Actions of the Engine that `db.get_bind()` gives, and of Engines of a file's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, inspect
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from support.actions.table import (
    FileError,
    Note,
    action,
    caught,
    count,
    fail,
    put,
    put_by,
    refused,
    run,
)

OWN = "The Engine of get_bind() is the migration's own: its connections are in its transaction."
LIKE_SQL = Table("made", MetaData(), Column("a", Integer))


def engine_of(db: Session) -> Engine:
    """What get_bind() gives: for the old runner's files it was always an Engine."""
    return db.get_bind()  # type: ignore[return-value]


def other_engine(db: Session) -> Engine:
    return create_engine(db.get_bind().engine.url, poolclass=NullPool)


def putting(what: str, *, kept: bool = True) -> Callable[[Session, Note], None]:
    """The meaning of a block that inserts, and ends with a commit or is left without one."""

    def mean(db: Session, note: Note) -> None:
        nested = db.begin_nested()
        put(db, what)
        nested.commit() if kept else nested.rollback()

    return mean


@action()
def bind_tells(db: Session, note: Note) -> None:
    engine = engine_of(db)
    note(engine.dialect.name, engine.url.database, engine.driver)
    note(engine.engine.url == engine.url, db.bind is not None)


@action()
def bind_inspected(db: Session, note: Note) -> None:
    note(inspect(engine_of(db)).has_table("t"), inspect(db.connection()).has_table("nope"))
    found = Table("t", MetaData(), autoload_with=engine_of(db))
    note([column.name for column in found.columns])


def _inspected_before_it_commits(db: Session, note: Note) -> None:
    run(db, "CREATE TABLE IF NOT EXISTS just_made (n int)")
    note(inspect(db.connection()).has_table("just_made"))


@action(means=_inspected_before_it_commits, why=OWN, autocommit=False)
def bind_inspected_before_a_commit(db: Session, note: Note) -> None:
    run(db, "CREATE TABLE IF NOT EXISTS just_made (n int)")
    note(inspect(engine_of(db)).has_table("just_made"))


def _created_by_the_connection(db: Session, note: Note) -> None:
    LIKE_SQL.metadata.create_all(db.connection())
    note(inspect(db.connection()).has_table("made"))
    run(db, "INSERT INTO made VALUES (1)")


@action(means=_created_by_the_connection, why=OWN)
def bind_creates_all(db: Session, note: Note) -> None:
    LIKE_SQL.metadata.create_all(engine_of(db))
    note(inspect(engine_of(db)).has_table("made"))
    run(db, "INSERT INTO made VALUES (1)")


@action()
def connection_creates_all(db: Session, note: Note) -> None:
    _created_by_the_connection(db, note)
    db.rollback()
    _created_by_the_connection(db, note)
    db.commit()
    LIKE_SQL.metadata.drop_all(db.connection())


@action(means=putting("in a block of its own"), why=OWN, autocommit=False)
def bind_begin(db: Session, note: Note) -> None:
    with engine_of(db).begin() as connection:
        put(connection, "in a block of its own")


@action(means=putting("in a block that fails", kept=False), why=OWN, autocommit=False)
def bind_begin_that_fails(db: Session, note: Note) -> None:
    with suppress(FileError), engine_of(db).begin() as connection:
        put(connection, "in a block that fails")
        fail()


@action(means=putting("committed there"), why=OWN, autocommit=False)
def bind_connect_and_commit(db: Session, note: Note) -> None:
    with engine_of(db).connect() as connection:
        put(connection, "committed there")
        connection.commit()


@action(means=putting("not committed there", kept=False), why=OWN, autocommit=False)
def bind_connect_without_commit(db: Session, note: Note) -> None:
    with engine_of(db).connect() as connection:
        put(connection, "not committed there")


def _all_seen(db: Session, note: Note) -> None:
    put(db, "seen at once")
    note(count(db, "seen at once"))


@action(means=_all_seen, why=OWN)
def bind_sees_what_is_not_committed(db: Session, note: Note) -> None:
    put(db, "seen at once")
    with engine_of(db).connect() as connection:
        note(count(connection, "seen at once"))


@action()
def bind_sees_what_is_committed(db: Session, note: Note) -> None:
    put(db, "seen by it")
    db.commit()
    with engine_of(db).connect() as connection:
        note(count(connection, "seen by it"))


@action(means=refused("(?i)autocommit"), why=OWN, autocommit=False)
def bind_autocommit(db: Session, note: Note) -> None:
    engine = engine_of(db).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        run(connection, "VACUUM t")


@action(means=refused("(?i)autocommit"), why=OWN, autocommit=False)
def bind_autocommit_of_a_connection(db: Session, note: Note) -> None:
    with engine_of(db).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        run(connection, "VACUUM t")


@action(means=refused("raw_connection"), why=OWN)
def bind_raw_connection(db: Session, note: Note) -> None:
    connection = engine_of(db).raw_connection()
    try:
        put_by(connection.cursor(), "by raw_connection()")
        connection.commit()
    finally:
        connection.close()


@action(means=refused("dispose"), why=OWN)
def bind_dispose(db: Session, note: Note) -> None:
    engine_of(db).dispose()


@action(means=putting("by a Session on it"), why=OWN, autocommit=False)
def session_on_the_bind(db: Session, note: Note) -> None:
    with Session(engine_of(db)) as session:
        put(session, "by a Session on it")
        session.commit()


@action(means=putting("by a Session on it", kept=False), why=OWN, autocommit=False)
def session_on_the_bind_without_commit(db: Session, note: Note) -> None:
    with Session(engine_of(db)) as session:
        put(session, "by a Session on it")


@action()
def session_on_the_connection(db: Session, note: Note) -> None:
    with Session(db.connection(), join_transaction_mode="create_savepoint") as session:
        put(session, "by a Session on the Connection")
        session.commit()
        put(session, "and not committed")
    with Session(db.connection()) as session:
        put(session, "joined")
        session.commit()


@action(means=putting("by the Connection's Engine"), why=OWN, autocommit=False)
def engine_of_the_connection(db: Session, note: Note) -> None:
    with db.connection().engine.begin() as connection:
        put(connection, "by the Connection's Engine")


@action()
def as_pandas_writes(db: Session, note: Note) -> None:
    connection = db.connection()
    block: Any = connection.begin_nested() if connection.in_transaction() else connection.begin()
    with block:
        LIKE_SQL.metadata.create_all(connection)
        connection.execute(LIKE_SQL.insert(), [{"a": 1}, {"a": 2}])
    note(inspect(connection).has_table("made"))


@action(atomic=False)
def second_engine(db: Session, note: Note) -> None:
    put(db, "seen by a second Engine")
    db.commit()
    with other_engine(db).begin() as connection:
        note(count(connection, "seen by a second Engine"))
        put(connection, "by a second Engine")
    note(count(db, "by a second Engine"))


@action(atomic=False, autocommit=False)
def second_engine_while_something_is_open(db: Session, note: Note) -> None:
    put(db, "open")
    with other_engine(db).begin() as connection:
        note(count(connection, "open"))
        put(connection, "committed beside it")


@action(atomic=False)
def second_engine_in_a_thread(db: Session, note: Note) -> None:
    engine = other_engine(db)
    run(db, "LOCK TABLE t")
    db.commit()

    def work() -> None:
        with caught(note), engine.begin() as connection:
            put(connection, "in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    note(count(db, "in a thread"))
