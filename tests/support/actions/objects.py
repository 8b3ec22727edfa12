"""Actions of the ORM."""

from __future__ import annotations

from sqlalchemy import insert, inspect, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from support.actions.table import Note, action, put, run, undone


class Base(DeclarativeBase):
    """The models of these actions."""


class Thing(Base):
    """A row with a key that may come again: each action begins without any."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def begun(db: Session) -> None:
    """Give an empty table, committed."""
    db.expunge_all()
    Base.metadata.create_all(db.connection())
    run(db, "DELETE FROM things")
    db.commit()


@action()
def objects_over_commits(db: Session, note: Note) -> None:
    begun(db)
    thing = Thing(id=1, name="a")
    db.add(thing)
    db.commit()
    note(inspect(thing).expired, thing.name)
    thing.name = "b"
    db.commit()
    one = db.get(Thing, 1)
    note(one is thing, one and one.name)
    db.expire_all()
    note(thing.name)
    run(db, "UPDATE things SET name = 'below it'")
    db.refresh(thing)
    note(thing.name)
    db.delete(thing)
    db.commit()
    note(inspect(thing).detached, db.get(Thing, 1))


@action()
def objects_rolled_back(db: Session, note: Note) -> None:
    begun(db)
    thing = Thing(id=2, name="kept")
    db.add(thing)
    db.commit()
    thing.name = "rolled back"
    db.add(Thing(id=3, name="never"))
    db.flush()
    db.rollback()
    note(thing.name, len(db.new), db.scalars(select(Thing.id)).all())


@action()
def objects_flushed_at_the_end(db: Session, note: Note) -> None:
    begun(db)
    db.add(Thing(id=4, name="flushed by the commit"))
    note(db.query(Thing).count())


@action()
def objects_that_break_a_key(db: Session, note: Note) -> None:
    begun(db)
    db.add(Thing(id=5, name="first"))
    db.commit()
    db.expunge_all()
    db.add(Thing(id=5, name="again"))
    with undone(db, note):
        db.commit()
    note(db.scalars(select(Thing.name)).all())


@action()
def objects_in_a_savepoint(db: Session, note: Note) -> None:
    begun(db)
    db.add(Thing(id=6, name="outside"))
    nested = db.begin_nested()
    db.add(Thing(id=7, name="inside"))
    db.flush()
    nested.rollback()
    db.commit()
    note(db.scalars(select(Thing.id)).all())


@action()
def objects_in_bulk(db: Session, note: Note) -> None:
    begun(db)
    db.bulk_insert_mappings(inspect(Thing), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    db.execute(insert(Thing), [{"id": 3, "name": "c"}])
    db.commit()
    db.execute(update(Thing), [{"id": 3, "name": "d"}])
    db.bulk_save_objects([Thing(id=4, name="e")])
    db.bulk_update_mappings(inspect(Thing), [{"id": 4, "name": "f"}])
    note(db.scalars(insert(Thing).returning(Thing.id), [{"id": 5, "name": "g"}]).all())
    db.query(Thing).filter(Thing.id == 1).delete()
    note(db.query(Thing).count())
    db.merge(Thing(id=9, name="merged"))
    db.merge(Thing(id=2, name="merged too"))
    db.commit()


@action()
def objects_after_a_close(db: Session, note: Note) -> None:
    begun(db)
    thing = Thing(id=8, name="a")
    db.add(thing)
    db.commit()
    db.close()
    note(inspect(thing).detached)
    db.add(thing)
    note(thing.name)
    put(db, "after it")
