"""Actions with execution options: isolation levels, translated schemas, and others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, event, insert, text
from sqlalchemy.orm import Session

from support.actions.table import Note, action, caught, put, run, undone

LEVEL = "SHOW transaction_isolation"
TENANTS = Table("tenants", MetaData(), Column("n", Integer))


@action(atomic=False)
def isolation_autocommit(db: Session, note: Note) -> None:
    db.commit()
    db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    put(db, "in autocommit")
    run(db, "VACUUM t")
    db.rollback()
    put(db, "rolled back")
    db.rollback()


@action(atomic=False)
def isolation_autocommit_left_on(db: Session, note: Note) -> None:
    db.commit()
    db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    put(db, "in autocommit")


@action(atomic=False)
def isolation_autocommit_within(db: Session, note: Note) -> None:
    put(db, "begun already")
    with caught(note):
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


@action(atomic=False)
def isolation_levels(db: Session, note: Note) -> None:
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        db.commit()
        connection = db.connection(execution_options={"isolation_level": level})
        note(connection.get_isolation_level(), run(db, LEVEL).scalar())
        put(db, level)
    db.rollback()
    note(run(db, LEVEL).scalar(), db.connection().get_isolation_level())
    note(db.connection().default_isolation_level)


@action(atomic=False)
def isolation_by_the_connection(db: Session, note: Note) -> None:
    db.commit()
    with caught(note):
        db.connection().execution_options(isolation_level="REPEATABLE READ")
    note(run(db, LEVEL).scalar())
    db.commit()
    note(run(db, LEVEL).scalar())


@action(atomic=False)
def read_only(db: Session, note: Note) -> None:
    db.commit()
    with undone(db, note):
        db.connection(execution_options={"postgresql_readonly": True})
        note(run(db, "SHOW transaction_read_only").scalar())
        put(db, "never")
    with undone(db, note):
        put(db, "after it")


@action()
def translated_schema(db: Session, note: Note) -> None:
    run(db, "CREATE SCHEMA IF NOT EXISTS elsewhere")
    run(db, "CREATE TABLE IF NOT EXISTS elsewhere.tenants (n int)")
    db.commit()
    tenant = {"schema_translate_map": {None: "elsewhere"}}
    db.connection(execution_options=tenant).execute(insert(TENANTS).values(n=1))
    db.commit()
    note(db.connection().get_execution_options().get("schema_translate_map"))
    with undone(db, note):
        db.execute(insert(TENANTS).values(n=2))


@action(telling=("committed", "returns"))
def translated_schema_left(db: Session, note: Note) -> None:
    """What bridge sends after the file must not go to that schema."""
    run(db, "CREATE SCHEMA IF NOT EXISTS elsewhere")
    tenant = {"schema_translate_map": {None: "elsewhere"}}
    TENANTS.metadata.create_all(db.connection(execution_options=tenant))


@action()
def translated_for_one_statement(db: Session, note: Note) -> None:
    run(db, "CREATE SCHEMA IF NOT EXISTS elsewhere")
    run(db, "CREATE TABLE IF NOT EXISTS elsewhere.tenants (n int)")
    tenant = {"schema_translate_map": {None: "elsewhere"}}
    db.execute(insert(TENANTS).values(n=3), execution_options=tenant)
    db.commit()
    with undone(db, note):
        db.execute(insert(TENANTS).values(n=4))


@action()
def options_end_with_the_transaction(db: Session, note: Note) -> None:
    db.connection().execution_options(ours=1, logging_token="ours")
    note(db.connection().get_execution_options().get("ours"))
    db.commit()
    note(db.connection().get_execution_options().get("ours"))
    db.connection(execution_options={"ours": 2, "compiled_cache": None})
    put(db, "x")
    db.rollback()
    note(db.connection().get_execution_options().get("ours"))
    note(db.connection().get_execution_options().get("logging_token"))


@action()
def options_of_a_statement(db: Session, note: Note) -> None:
    rows = [{"n": number} for number in range(5)]
    run(db, "CREATE TABLE IF NOT EXISTS tenants (n int)")
    with undone(db, note):
        done = db.execute(
            insert(TENANTS),
            rows,
            execution_options={"insertmanyvalues_page_size": 2, "preserve_rowcount": True},
        )
        note(done.rowcount)  # type: ignore[attr-defined]
        done = db.execute(insert(TENANTS).returning(TENANTS.c.n), rows)
        note(sorted(done.scalars()))


@action()
def statement_rewritten_by_a_listener(db: Session, note: Note) -> None:
    connection = db.connection()

    @event.listens_for(connection, "before_cursor_execute", retval=True)
    def rewrite(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> Any:
        return f"/* rewritten */ {statement}", parameters

    seen = "SELECT current_query() LIKE '/* rewritten%'"
    note(connection.execute(text(seen)).scalar())
    db.commit()
    note(run(db, seen).scalar())
