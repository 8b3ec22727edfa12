"""Migrations whose `downgrade` commits in each of the ways in which a file can."""

from __future__ import annotations

from support.running import GATE, PASS_GATE

FIRST, SECOND = "001_first", "002_second"

AUTOCOMMIT = 'transaction = "autocommit"'
ATOMIC = 'transaction = "atomic"'

_FILE = """
from sqlalchemy import text
{head}
def run(db, statement):
    return db.execute(text(statement))
def upgrade(db):
    run(db, "INSERT INTO log (stem) SELECT '{stem}' WHERE NOT EXISTS "
            "(SELECT FROM log WHERE stem = '{stem}')")
def downgrade(db):
    undo = "DELETE FROM log WHERE stem = '{stem}'"
    wait = "{wait}"
    {down}
"""
#: Outside of a transaction, it lasts no longer than its statement.
_WAIT_ALONE = f"SELECT pg_advisory_lock_shared({GATE})"


def taken_back_by(down: str, *, head: str = "", stem: str = SECOND) -> str:
    """A file with this `downgrade`, for which `undo` is its work, and `wait` stops at the gate."""
    wait = _WAIT_ALONE if head == AUTOCOMMIT else PASS_GATE
    down = down.strip("\n").replace("\n", "\n    ")
    return _FILE.format(stem=stem, head=head, down=down, wait=wait)


#: Each ends at the gate with some of its work committed, whichever way.
COMMITTED = {
    "db.commit()": "run(db, undo)\ndb.commit()\nrun(db, wait)",
    "after a rollback": "run(db, undo)\ndb.rollback()\nrun(db, undo)\ndb.commit()\nrun(db, wait)",
    "after a commit of nothing": "run(db, 'SELECT 1')\ndb.commit()\nrun(db, undo)\ndb.commit()\n"
    "run(db, wait)",
    "commit() of the driver's": "run(db, undo)\ndb.connection().connection.commit()\nrun(db, wait)",
    "as text": "run(db, undo)\nrun(db, 'COMMIT')\nrun(db, wait)",
    "in a text": "run(db, undo + '; COMMIT; BEGIN; ' + wait)",
    "autocommit of its own": "c = db.connection(execution_options={'isolation_level': "
    "'AUTOCOMMIT'})\nrun(db, undo)\nrun(db, wait)",
    "autocommit of the driver's": "raw = db.connection().connection.dbapi_connection\n"
    "raw.rollback()\nraw.autocommit = True\nrun(db, undo)\nrun(db, wait)",
    "owed for long": "import time\nrun(db, undo)\ndb.commit()\ntime.sleep(0.8)\nrun(db, wait)",
}
