"""What the driver's connection tells of itself, and is told, between other actions."""

from __future__ import annotations

import psycopg2
from psycopg2 import extensions, sql
from sqlalchemy.orm import Session

from support.actions.table import (
    Note,
    action,
    caught,
    put,
    put_by,
    raw,
    run,
)


@action(atomic=False)
def raw_client_encoding(db: Session, note: Note) -> None:
    driver = raw(db)
    before = driver.encoding
    put(db, "rolled back by it")
    driver.set_client_encoding("LATIN1")
    note(driver.encoding, run(db, "SHOW client_encoding").scalar())
    driver.set_client_encoding(before)


@action(atomic=False)
def raw_status(db: Session, note: Note) -> None:
    def states() -> None:
        note(driver.status, driver.get_transaction_status(), driver.closed)
        note(driver.info.status, driver.info.transaction_status)

    driver = raw(db)
    states()
    driver.rollback()
    states()
    put(db, "rolled back")
    states()
    driver.rollback()
    states()
    driver.commit()
    states()


@action(atomic=False)
def raw_status_after_a_commit(db: Session, note: Note) -> None:
    driver = raw(db)
    put(db, "committed")
    db.commit()
    note(driver.get_transaction_status())
    put(db, "rolled back")
    db.rollback()
    note(driver.info.transaction_status, driver.status)


@action(atomic=False)
def raw_status_after_an_error(db: Session, note: Note) -> None:
    driver = raw(db)
    with caught(note):
        run(db, "SELECT nope")
    note(driver.status, driver.info.transaction_status, driver.info.error_message)
    driver.rollback()
    note(driver.status, driver.get_transaction_status())


@action()
def raw_info(db: Session, note: Note) -> None:
    driver = raw(db)
    info = driver.info
    cursor = driver.cursor()
    cursor.execute("SELECT pg_backend_pid()")
    pid = cursor.fetchone()[0]
    note(pid == driver.get_backend_pid() == info.backend_pid, driver.server_version)
    note(info.dbname, info.user, info.port, info.protocol_version, info.server_version)
    note(info.dsn_parameters["dbname"], driver.get_dsn_parameters()["user"])
    note(info.parameter_status("server_encoding"), driver.get_parameter_status("DateStyle"))
    note(info.needs_password, info.used_password, info.ssl_in_use, info.ssl_attribute_names)
    note(extensions.parse_dsn(driver.dsn)["dbname"], driver.protocol_version, driver.async_)
    note(driver.fileno() == info.socket, driver.poll(), driver.isexecuting())
    note(type(driver.get_native_connection()).__name__, driver.pgconn_ptr is not None)
    note(isinstance(driver, extensions.connection), cursor.connection is driver)
    note(driver.Error is psycopg2.Error, driver.IntegrityError is psycopg2.IntegrityError)


@action()
def raw_as_an_argument(db: Session, note: Note) -> None:
    driver = raw(db)
    db.commit()
    note(extensions.quote_ident("a b", driver), sql.Identifier("a").as_string(driver))
    note(sql.Literal("it's").as_string(driver))
    quoted = extensions.QuotedString("ü\\")
    quoted.prepare(driver)
    note(quoted.getquoted())
    extensions.register_type(extensions.UNICODE, driver)
    extensions.register_type(extensions.UNICODEARRAY, driver)
    note(sorted(driver.string_types)[:3], driver.binary_types)


@action()
def raw_cursor_factory(db: Session, note: Note) -> None:
    from psycopg2.extras import DictCursor

    driver = raw(db)
    before, driver.cursor_factory = driver.cursor_factory, DictCursor
    with driver.cursor() as cursor:
        put_by(cursor, "by a DictCursor")
        cursor.execute("SELECT count(*) AS n FROM t WHERE what = 'by a DictCursor'")
        note(cursor.fetchone()["n"] > 0)
    driver.cursor_factory = before
    driver.rollback()


@action()
def raw_notices(db: Session, note: Note) -> None:
    driver = raw(db)
    del driver.notices[:]
    run(db, "DO $$ BEGIN RAISE NOTICE 'hey'; END $$")
    db.commit()
    note(driver.notices)
    driver.notices = []
    driver.rollback()
    note(driver.notices)
