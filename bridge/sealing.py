"""The record of a migration in one message, for a migration that leaves nothing to put back.

To ask whether it has changed settings (bridge.baseline), to move the pointer and to write the row
are three waits for the server. Here they are one message, which writes nothing unless all is as
it was. It is only a shorter way: what it cannot do is left to be done step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg2 import Error as DriverError
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from bridge.baseline import Baseline, literal
from bridge.ledger import Ledger, sqlstate

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.layout import Layout
    from bridge.line import Row
    from bridge.work import Work

#: Classes of errors that there may be none of step by step, or a better explanation: of data, of
#: constraints, of transactions that only read, of names and rights, of locks that are not free.
_TRIED_AGAIN = ("22", "23", "25", "3F", "42", "55")

_SAVEPOINT = "bridge_record"

# One statement after the other, up to the first error. The row comes from the pointer that has
# moved, so that it is there if exactly one has. The limit for waits on locks is the file's, and
# this is not the file any more.
_MESSAGE = f"""
SAVEPOINT {_SAVEPOINT};
UPDATE {{version_table}} SET version_num = %(new)s WHERE version_num = %(old)s AND {{fits}};
SET LOCAL lock_timeout = {{before}};
INSERT INTO {{ledger}} ({{columns}})
SELECT {{values}} FROM {{version_table}} WHERE version_num = %(new)s RETURNING {{told}}
"""  # noqa: S608 - names and literals in quotes


class Sealing:
    """Writes the records of the migrations of one run, which come one after the other."""

    def __init__(self, connection: Connection, ledger: Ledger, layout: Layout) -> None:
        self._connection = connection
        self._ledger = ledger
        self._layout = layout
        #: When the last of them was applied, as the server shows it; the row after it is later even
        #: if the clock goes back.
        self._latest: str | None = None
        #: By the limit, whether all settings are looked at, and whether that time is known.
        self._messages: dict[tuple[str, bool, bool], str] = {}

    def write(
        self, work: Work, baseline: Baseline, *, limit: str | None, old: str, new: str, row: Row
    ) -> bool:
        """Move the pointer from `old` to `new`, and add the row, for work that has just ended.

        `limit` is what the session has for `lock_timeout` unless the file has changed it; None if
        it is as it was before the run. Returns whether it is done; if not, nothing was. Raises
        the driver's error for what would be no better step by step, such as a statement that a
        person has cancelled.
        """
        in_transaction = work.dbapi.info.transaction_status == TRANSACTION_STATUS_INTRANS
        if work.changes_settings or not in_transaction:
            return False
        key = (limit or baseline.lock_timeout, work.about_settings, self._latest is not None)
        if key not in self._messages:
            self._messages[key] = self._message(baseline, *key)
        moved = {"old": old, "new": new, "latest": self._latest}
        try:
            # Below SQLAlchemy, which would take as long again as the server does.
            with work.dbapi.cursor() as cursor:
                cursor.execute(
                    self._messages[key], {**self._ledger.values(row, self._layout), **moved}
                )
                written = cursor.fetchall()
        except DriverError as error:
            if (sqlstate(error) or "")[:2] not in _TRIED_AGAIN:
                if self._connection.dialect.is_disconnect(error, work.dbapi, None):
                    self._connection.invalidate(error)
                raise
        else:
            if len(written) == 1:
                self._latest = written[0][0]
                return True
        self._connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False

    def _message(self, baseline: Baseline, limit: str, thorough: bool, dated: bool) -> str:  # noqa: FBT001
        """The text for psycopg2; there are few of them in a run."""
        sources = self._ledger.sources(
            self._layout,
            parameter="%({})s",
            escaped=_driver,
            latest="%(latest)s" if dated else None,
        )
        return _MESSAGE.format(
            before=_driver(literal(baseline.lock_timeout)),
            fits=_driver(baseline.still(lock_timeout=limit, thorough=thorough)),
            version_table=_driver(self._ledger.version_name),
            ledger=_driver(self._ledger.name),
            columns=", ".join(sources),
            values=", ".join(sources.values()),
            told="applied_at::text" if "applied_at" in sources else "NULL",
        )


def _driver(sql: str) -> str:
    """A % would begin a parameter."""
    return sql.replace("%", "%%")
