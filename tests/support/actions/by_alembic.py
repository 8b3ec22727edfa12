"""Actions by `alembic.op`, which the old runner had not: they mean what the Session's do."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, Text
from sqlalchemy.orm import Session

from support.actions.table import Note, action, count, put, refused, run

OF_THE_SESSION = "op works on the Session's transaction; the old runner had no op."
BY_OP = "INSERT INTO t VALUES ('by op')"


def _executed(db: Session, note: Note) -> None:
    run(db, BY_OP)


@action(means=_executed, why=OF_THE_SESSION)
def op_execute(db: Session, note: Note) -> None:
    op.execute(BY_OP)


def _rolled_back(db: Session, note: Note) -> None:
    run(db, BY_OP)
    db.rollback()
    note(count(db, "by op"))


@action(means=_rolled_back, why=OF_THE_SESSION)
def op_and_rollback(db: Session, note: Note) -> None:
    op.execute(BY_OP)
    db.rollback()
    note(count(db, "by op"))


def _committed(db: Session, note: Note) -> None:
    run(db, BY_OP)
    db.commit()
    db.rollback()
    put(db, "rolled back")
    db.rollback()


@action(means=_committed, why=OF_THE_SESSION, telling=("committed", "inserts and fails"))
def op_and_commit(db: Session, note: Note) -> None:
    op.execute(BY_OP)
    db.commit()
    db.rollback()
    op.execute("INSERT INTO t VALUES ('rolled back')")
    db.rollback()


def _closed(db: Session, note: Note) -> None:
    run(db, BY_OP)
    db.close()


@action(means=_closed, why=OF_THE_SESSION)
def op_and_close(db: Session, note: Note) -> None:
    op.execute(BY_OP)
    db.close()


@action(means=_closed, why=OF_THE_SESSION)
def op_and_reset(db: Session, note: Note) -> None:
    op.execute(BY_OP)
    db.reset()


def _together(db: Session, note: Note) -> None:
    put(db, "by the Session")
    note(count(db, "by the Session") > 0)
    run(db, BY_OP)
    note(count(db, "by op") > 0)
    db.commit()


@action(means=_together, why=OF_THE_SESSION)
def op_and_the_session(db: Session, note: Note) -> None:
    put(db, "by the Session")
    note(count(op.get_bind(), "by the Session") > 0)
    op.execute(BY_OP)
    note(count(db, "by op") > 0)
    db.commit()


def _tables(db: Session, note: Note) -> None:
    run(db, "DROP TABLE IF EXISTS by_op")
    run(db, "CREATE TABLE by_op (n integer)")
    run(db, "INSERT INTO by_op VALUES (1)")
    db.commit()
    run(db, "ALTER TABLE by_op ADD COLUMN w text")
    run(db, "CREATE INDEX ix_by_op ON by_op (n)")
    db.commit()


@action(means=_tables, why=OF_THE_SESSION)
def op_tables(db: Session, note: Note) -> None:
    op.drop_table("by_op", if_exists=True)
    table = op.create_table("by_op", Column("n", Integer))
    op.bulk_insert(table, [{"n": 1}])
    db.commit()
    with op.batch_alter_table("by_op") as batch:
        batch.add_column(Column("w", Text))
    op.create_index("ix_by_op", "by_op", ["n"])
    db.commit()


def _by_get_bind(db: Session, note: Note) -> None:
    db.commit()
    with db.begin_nested():
        run(db, BY_OP)


@action(means=_by_get_bind, why=OF_THE_SESSION)
def op_get_bind(db: Session, note: Note) -> None:
    db.commit()
    with op.get_bind().begin_nested():
        run(op.get_bind(), BY_OP)


@action(means=refused('transaction = "autocommit"'), why=OF_THE_SESSION, autocommit=False)
def op_autocommit_block(db: Session, note: Note) -> None:
    with op.get_context().autocommit_block():
        op.execute("VACUUM t")
