"""Actions with which a file gives its session away, or tries to."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, fairy, put, raw, refused, undone

#: A migration's session is never opened anew.
GONE = r"(?i)connect"
WHY = "The migration lock, and what the file did, belong to this very session."


@action(means=refused(GONE), why=WHY)
def connection_invalidate(db: Session, note: Note) -> None:
    db.connection().invalidate()


def _put(db: Session, note: Note) -> None:
    put(db, "lost with it")


@action(means=refused(GONE, doing=_put), why=WHY)
def session_invalidate(db: Session, note: Note) -> None:
    put(db, "lost with it")
    db.invalidate()


@action(means=refused(GONE), why=WHY)
def session_invalidate_and_on(db: Session, note: Note) -> None:
    db.connection()
    db.invalidate()
    put(db, "on another connection")
    db.commit()


def _committed(db: Session, note: Note) -> None:
    db.commit()


@action(means=refused(GONE, doing=_committed), why=WHY)
def connection_detach(db: Session, note: Note) -> None:
    """A Connection that no pool has any more is closed for good."""
    db.connection().detach()
    db.commit()


@action(means=refused(""), why=WHY)
def fairy_invalidate(db: Session, note: Note) -> None:
    fairy(db).invalidate()


@action(means=refused(GONE), why=WHY)
def raw_close(db: Session, note: Note) -> None:
    raw(db).close()


@action(means=refused(GONE), why=WHY)
def raw_close_and_on(db: Session, note: Note) -> None:
    raw(db).close()
    with suppress(Exception):
        put(db, "on a closed connection")
    with suppress(Exception):
        db.rollback()
    put(db, "on another connection")


@action()
def connection_close(db: Session, note: Note) -> None:
    db.connection().close()


@action()
def connection_close_and_on(db: Session, note: Note) -> None:
    put(db, "closed over")
    db.connection().close()
    with caught(note):
        put(db, "on a closed Connection")
    db.rollback()
    put(db, "after a rollback")


@action()
def fairy_close(db: Session, note: Note) -> None:
    fairy(db).close()


@action()
def fairy_close_and_on(db: Session, note: Note) -> None:
    put(db, "closed over")
    fairy(db).close()
    with undone(db, note):
        put(db, "on a closed one")
    put(db, "after it")


@action()
def raw_cancel(db: Session, note: Note) -> None:
    raw(db).cancel()
