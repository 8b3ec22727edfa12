"""Actions of what else psycopg2 has: COPY, its extras, large objects, two-phase commits."""

from __future__ import annotations

import io
import json
import tempfile
import uuid

import psycopg2
from psycopg2 import extensions, extras
from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, put, put_by, raw, run, undone

GIVEN = "SELECT what FROM t WHERE what LIKE :like ORDER BY 1"


@action()
def copy_in(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    cursor.copy_expert("COPY t FROM STDIN", io.StringIO("copied 1\ncopied 2\n"))
    raw(db).commit()
    cursor.copy_from(io.StringIO("rolled back\n"), "t")
    db.rollback()
    cursor = raw(db).cursor()
    cursor.copy_from(io.StringIO("copied 3\n"), "t", columns=("what",))
    note(cursor.rowcount)


@action()
def copy_in_after_a_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    put(db, "committed")
    db.commit()
    driver.cursor().copy_from(io.StringIO("rolled back\n"), "t")
    driver.rollback()


@action()
def copy_in_that_fails(db: Session, note: Note) -> None:
    with undone(db, note):
        raw(db).cursor().copy_expert("COPY t FROM STDIN", io.StringIO("a\tb\n"))
    put(db, "after it")


@action()
def copy_out(db: Session, note: Note) -> None:
    put(db, "to be copied")
    db.commit()
    cursor = raw(db).cursor()
    with tempfile.TemporaryFile("w+") as file:
        cursor.copy_to(file, "t")
        file.seek(0)
        note("to be copied\n" in file)
    text = io.StringIO()
    cursor.copy_expert("COPY (SELECT 1) TO STDOUT", text)
    note(text.getvalue())
    raw(db).rollback()


@action()
def execute_values(db: Session, note: Note) -> None:
    cursor = raw(db).cursor()
    insert = "INSERT INTO t VALUES %s"
    extras.execute_values(cursor, insert, [("values 1",), ("values 2",)])
    extras.execute_batch(cursor, "INSERT INTO t VALUES (%s)", [("batch 1",), ("batch 2",)])
    raw(db).rollback()
    back = extras.execute_values(cursor, f"{insert} RETURNING what", [("values 3",)], fetch=True)
    note(back)
    db.commit()
    extras.execute_values(raw(db).cursor(), insert, [("rolled back",)], page_size=1)
    db.rollback()


@action()
def callproc(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()
    cursor = driver.cursor()
    cursor.callproc("lower", ("ABC",))
    note(cursor.fetchone())
    cursor.callproc("make_interval", {"days": 2})
    note(cursor.fetchone())
    driver.rollback()
    with caught(note):
        cursor.callproc("nope")
    driver.rollback()


@action()
def registered_types(db: Session, note: Note) -> None:
    driver = raw(db)
    extras.register_uuid(None, driver)
    extras.register_default_json(driver, loads=json.loads)
    extras.register_default_jsonb(driver)
    extras.register_inet(None, driver)
    run(db, "DROP TYPE IF EXISTS pair; CREATE TYPE pair AS (a int, b text)")
    db.commit()
    extras.register_composite("pair", driver)
    note(driver.get_transaction_status())
    put(db, "x")
    db.rollback()
    cursor = driver.cursor()
    one = uuid.UUID(int=1)
    cursor.execute("SELECT ROW(1, 'x')::pair, %s::uuid, %s::json", (one, extras.Json({"a": 1})))
    note(cursor.fetchone())


@action()
def registered_composite_of_a_cursor(db: Session, note: Note) -> None:
    run(db, "DROP TYPE IF EXISTS pair; CREATE TYPE pair AS (a int, b text)")
    db.commit()
    caster = extras.register_composite("pair", raw(db).cursor(), globally=False)
    note(caster.name, caster.attnames)
    with undone(db, note):
        extras.register_composite("no_such_type", raw(db))


@action()
def registered_hstore(db: Session, note: Note) -> None:
    with undone(db, note):
        extras.register_hstore(raw(db))
    with undone(db, note):
        extras.register_range("no_such_range", extras.NumericRange, raw(db))


@action(atomic=False)
def large_objects(db: Session, note: Note) -> None:
    driver = raw(db)
    written = driver.lobject(0, "wb")
    written.write(b"abcdef")
    number = written.oid
    written.close()
    db.commit()
    driver = raw(db)
    read = driver.lobject(number, "rb")
    note(read.read(2), read.tell(), read.seek(4), read.read(), read.mode, read.closed)
    db.commit()
    with undone(db, note):
        read.seek(0)
        note(read.read())
    driver = raw(db)
    driver.lobject(number, "wb").truncate(3)
    db.rollback()
    driver = raw(db)
    note(driver.lobject(number, "r").read())
    with tempfile.NamedTemporaryFile() as file:
        driver.lobject(number, "rb").export(file.name)
        note(file.read())
        copied = driver.lobject(0, "n", 0, file.name)
        db.rollback()
    driver = raw(db)
    try:
        driver.lobject(copied.oid, "rb")
    except psycopg2.OperationalError:  # it names a number of the database's own
        note("rolled back")
    db.rollback()
    driver = raw(db)
    driver.lobject(number, "wb").unlink()
    db.commit()
    with undone(db, note):
        raw(db).lobject(2_000_000_000, "rb")


@action()
def large_object_rolled_back(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()
    with undone(db, note):
        driver.lobject(0, "wb").write(b"never")
        driver.rollback()
    note(run(db, "SELECT count(*) FROM pg_largeobject_metadata").scalar())


@action(atomic=False)
def two_phases_at_once(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    with undone(db, note):
        driver.tpc_begin(driver.xid(1, "one", "bridge"))
        put_by(driver.cursor(), "committed at once")
        driver.tpc_commit()
        driver.tpc_begin(driver.xid(1, "two", "bridge"))
        put_by(driver.cursor(), "rolled back")
        driver.tpc_rollback()


@action(atomic=False)
def two_phases_prepared(db: Session, note: Note) -> None:
    """Prepared transactions are of the whole server, so the name is this database's."""
    driver = raw(db)
    driver.rollback()
    xid = driver.xid(1, "prepared", f"{driver.info.dbname}")
    with caught(note):
        driver.tpc_begin(xid)
        put_by(driver.cursor(), "prepared")
        driver.tpc_prepare()
        note(driver.status)
        driver.tpc_commit()
    with caught(note):
        driver.tpc_rollback()
    note(driver.status)
    driver.rollback()


@action(atomic=False)
def two_phases_found_again(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    xid = driver.xid(1, "found again", f"{driver.info.dbname}")
    with caught(note):
        driver.tpc_begin(xid)
        put_by(driver.cursor(), "found again")
        driver.tpc_prepare()
        driver.reset()
        note([each.gtrid for each in driver.tpc_recover() if each.database == driver.info.dbname])
        driver.rollback()
        driver.tpc_commit(xid)
    with caught(note):
        driver.tpc_rollback()
    driver.rollback()


@action(atomic=False)
def two_phases_and_a_plain_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    driver.rollback()
    with caught(note):
        driver.tpc_begin(driver.xid(1, "plain", "bridge"))
        put_by(driver.cursor(), "rolled back")
        with caught(note):
            driver.commit()
        with caught(note):
            driver.rollback()
        driver.tpc_rollback()


@action(atomic=False)
def two_phases_within(db: Session, note: Note) -> None:
    put(db, "begun already")
    with caught(note):
        raw(db).tpc_begin("within")


@action(atomic=False)
def prepare_transaction_as_text(db: Session, note: Note) -> None:
    name = raw(db).info.dbname
    put(db, "prepared by text")
    with undone(db, note):
        run(db, f"PREPARE TRANSACTION '{name}'")
        db.rollback()
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        run(db, f"COMMIT PREPARED '{name}'")
    db.rollback()


@action(atomic=False)
def serialization_classes(db: Session, note: Note) -> None:
    """Errors that the driver makes are those that a file imports."""
    with undone(db, note):
        try:
            raw(db).cursor().execute("SELECT 1 / 0")
        except psycopg2.errors.DivisionByZero as error:
            note(error.pgcode, error.diag.message_primary, error.cursor is not None)
            raise
    note(issubclass(psycopg2.errors.UniqueViolation, extensions.connection.IntegrityError))
