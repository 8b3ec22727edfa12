"""Actions in which a statement fails and the file goes on."""

from __future__ import annotations

from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, put, refused, run, undone

#: What bridge says of an error after which the file went on in the same transaction.
SWALLOWED = "the file went on without"


def _swallow(db: Session, note: Note) -> None:
    put(db, "lost")
    with caught(note):
        run(db, "SELECT nope")


@action(
    means=refused(SWALLOWED, doing=_swallow),
    why="The server would roll back at the commit and say nothing.",
    autocommit=False,
)
def swallowed_error(db: Session, note: Note) -> None:
    _swallow(db, note)
    db.commit()


@action(
    means=refused(f"{SWALLOWED}|transaction is aborted", doing=_swallow),
    why="The server would roll back at the commit and say nothing.",
    autocommit=False,
    telling=("committed", "returns"),
)
def swallowed_error_at_the_end(db: Session, note: Note) -> None:
    _swallow(db, note)


@action(atomic=False)
def swallowed_error_in_autocommit(db: Session, note: Note) -> None:
    db.rollback()
    db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    _swallow(db, note)
    db.commit()


@action()
def error_rolled_back(db: Session, note: Note) -> None:
    put(db, "rolled back")
    with undone(db, note):
        run(db, "SELECT nope")
    put(db, "after the rollback")


@action()
def error_and_a_statement(db: Session, note: Note) -> None:
    with caught(note):
        run(db, "SELECT nope")
    with undone(db, note):
        put(db, "in an aborted transaction")


@action()
def error_in_a_savepoint(db: Session, note: Note) -> None:
    put(db, "before the savepoint")
    for statement in ("SELECT 1/0", "SELECT nope"):
        with caught(note), db.begin_nested():
            run(db, statement)
    put(db, "after the savepoints")
    db.commit()
