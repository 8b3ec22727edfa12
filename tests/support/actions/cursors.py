"""Actions of cursors: the driver's, of every class, and those on the server."""

from __future__ import annotations

from typing import Any

from psycopg2 import extensions, extras
from sqlalchemy import text
from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, put, put_by, raw, run, undone

SIX = "SELECT generate_series(1, 6)"


class OwnCursor(extensions.cursor):  # type: ignore[misc] # psycopg2 ships no types
    """A team's own."""

    def execute(self, query: Any, variables: Any = None) -> Any:
        return super().execute(f"/* ours */ {query}", variables)


def made_by_a_function(*arguments: Any, **options: Any) -> Any:
    return extras.DictCursor(*arguments, **options)


@action(atomic=False)
def named_over_a_commit(db: Session, note: Note) -> None:
    with undone(db, note):
        cursor = raw(db).cursor("over_a_commit")
        cursor.itersize = 2
        cursor.execute(SIX)
        note(cursor.fetchmany(2))
        db.commit()
        with caught(note):
            note(cursor.fetchmany(2))
        with caught(note):
            cursor.close()
    db.rollback()


@action(atomic=False)
def named_read_while_committing(db: Session, note: Note) -> None:
    with undone(db, note):
        cursor = raw(db).cursor("while_committing")
        cursor.itersize = 2
        cursor.execute(SIX)
        for row in cursor:
            note(row)
            db.commit()
    db.rollback()


@action()
def named_read_to_its_end(db: Session, note: Note) -> None:
    with undone(db, note), raw(db).cursor("to_its_end") as cursor:
        cursor.itersize = 4
        cursor.execute(SIX)
        note(cursor.name, cursor.withhold, cursor.scrollable, list(cursor), cursor.rownumber)
    put(db, "after it")


@action()
def named_that_scrolls(db: Session, note: Note) -> None:
    with undone(db, note), raw(db).cursor("scrolls", scrollable=True) as cursor:
        cursor.execute(SIX)
        note(cursor.fetchone())
        cursor.scroll(3)
        note(cursor.fetchone())
        cursor.scroll(0, mode="absolute")
        note(cursor.fetchmany(2), cursor.fetchall())


@action()
def named_twice(db: Session, note: Note) -> None:
    with undone(db, note):
        cursor = raw(db).cursor("twice")
        cursor.execute(SIX)
        cursor.execute(SIX)


@action(atomic=False)
def hold_over_commits(db: Session, note: Note) -> None:
    cursor = raw(db).cursor("held", withhold=True)
    cursor.itersize = 2
    cursor.execute(SIX)
    note(cursor.fetchmany(2))
    db.commit()
    note(cursor.fetchmany(2))
    db.commit()
    note(list(cursor))
    cursor.close()


@action(atomic=False)
def hold_while_committing(db: Session, note: Note) -> None:
    cursor = raw(db).cursor("held_while", withhold=True)
    cursor.itersize = 3
    cursor.execute(SIX)
    for (number,) in cursor:
        put(db, f"row {number}")
        db.commit()
    cursor.close()


@action(atomic=False)
def hold_and_rollback(db: Session, note: Note) -> None:
    cursor = raw(db).cursor("held_back", withhold=True)
    cursor.execute(SIX)
    db.commit()
    db.rollback()
    note(cursor.fetchall())
    cursor.close()


@action(atomic=False)
def hold_that_fails_at_the_commit(db: Session, note: Note) -> None:
    with undone(db, note):
        run(db, "DECLARE h CURSOR WITH HOLD FOR SELECT 1/(3-g) FROM generate_series(1,5) g")
        db.commit()
    put(db, "after it")
    db.commit()


@action(atomic=False)
def declared_over_a_commit(db: Session, note: Note) -> None:
    run(db, f"DECLARE held_text CURSOR WITH HOLD FOR {SIX}")
    note(run(db, "FETCH 2 FROM held_text").scalars().all())
    db.commit()
    note(run(db, "FETCH ALL FROM held_text").scalars().all())
    run(db, "CLOSE held_text")


@action()
def kept_over_a_commit(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    put_by(cursor, "before the commit")
    db.commit()
    put_by(cursor, "after the commit")
    cursor.connection.rollback()


@action()
def rows_read_after_a_commit(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    cursor.execute(SIX)
    db.commit()
    note(cursor.fetchone(), cursor.fetchmany(2), cursor.fetchall(), cursor.rowcount)
    cursor.close()
    note(cursor.closed)


@action()
def what_a_cursor_tells(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    cursor.execute("SELECT %s::int AS n, 'x' AS w", (5,))
    note(cursor.description, cursor.query, cursor.statusmessage, cursor.rowcount)
    note(cursor.arraysize, cursor.itersize, cursor.rownumber, cursor.lastrowid, cursor.name)
    note(cursor.mogrify("SELECT %s, %s", (1, "it's")), cursor.fetchone(), cursor.closed)
    db.commit()
    note(cursor.mogrify("SELECT %(a)s", {"a": None}), cursor.statusmessage)
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)
    note(cursor.cast(23, "7"), cursor.row_factory, cursor.typecaster, cursor.tzinfo_factory)
    note(cursor.string_types, cursor.binary_types, cursor.pgresult_ptr is not None)
    with caught(note):
        cursor.nextset()
    with caught(note):
        cursor.execute("SELECT %s", ())
    db.rollback()


@action()
def scroll_of_a_plain_cursor(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    cursor.execute(SIX)
    db.commit()
    cursor.scroll(2)
    note(cursor.fetchone())
    with caught(note):
        cursor.scroll(100)


@action()
def cursor_classes(db: Session, note: Note) -> None:
    driver = raw(db)
    for factory in (extras.DictCursor, extras.RealDictCursor, extras.NamedTupleCursor, OwnCursor):
        cursor = driver.cursor(cursor_factory=factory)
        note(isinstance(cursor, factory))
        put_by(cursor, factory.__name__)
        cursor.execute("SELECT 1 AS n, 2 AS m")
        note(cursor.fetchone(), cursor.query)
        driver.commit()
        put_by(cursor, "rolled back")
        driver.rollback()


@action()
def dict_cursor_on_the_server(db: Session, note: Note) -> None:
    with undone(db, note):
        cursor = raw(db).cursor("dicts", cursor_factory=extras.RealDictCursor)
        cursor.execute("SELECT g AS n FROM generate_series(1, 3) g")
        note([row["n"] for row in cursor])
        cursor.close()


@action()
def cursor_made_by_a_function(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()
    cursor = driver.cursor(cursor_factory=made_by_a_function)
    put_by(cursor, "rolled back")
    driver.rollback()
    put_by(cursor, "committed")
    driver.commit()


@action(autocommit=False)
def cursor_constructed_after_a_commit(db: Session, note: Note) -> None:
    """Such a cursor is not seen: its row may be committed together with what is owed, or not."""
    driver = raw(db)
    put(db, "committed")
    db.commit()
    put_by(extensions.cursor(driver), "by a cursor of its own")
    driver.rollback()
    run(db, "DELETE FROM t WHERE what = 'by a cursor of its own'")
    db.commit()


@action(telling=("inserted", "inserts"))
def cursor_constructed(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.commit()
    run(db, "SELECT 1")
    cursor = extras.DictCursor(driver)
    put_by(cursor, "committed")
    driver.commit()
    run(db, "SELECT 1")
    put_by(extensions.cursor(driver), "rolled back")
    driver.rollback()


@action()
def executemany(db: Session, note: Note) -> None:
    driver = raw(db)
    cursor = driver.cursor()
    many = "INSERT INTO t VALUES (%s)"
    cursor.executemany(many, [("many 1",), ("many 2",)])
    db.commit()
    cursor.executemany(many, [("rolled back",)])
    driver.rollback()
    cursor.executemany(many, [("many 3",)])
    note(cursor.rowcount, cursor.statusmessage)


@action(atomic=False)
def stream_over_a_commit(db: Session, note: Note) -> None:
    put(db, "to be read")
    db.commit()
    with undone(db, note):
        connection = db.connection(execution_options={"stream_results": True})
        rows = connection.execute(text(SIX))
        note(rows.fetchone())
        db.commit()
        note(rows.fetchall())


@action()
def stream_to_its_end(db: Session, note: Note) -> None:
    with undone(db, note):
        rows = db.execute(text(SIX), execution_options={"stream_results": True})
        note(rows.fetchmany(2), rows.scalars().all())
    put(db, "after it")


@action()
def yield_per(db: Session, note: Note) -> None:
    with undone(db, note):
        for row in db.execute(text(SIX), execution_options={"yield_per": 2}):
            note(row[0])
            put(db, "while reading")


@action()
def rows_of_the_session_after_a_commit(db: Session, note: Note) -> None:
    rows = run(db, SIX)
    db.commit()
    note(rows.scalars().all())
