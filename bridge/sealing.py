"""The record of a migration in one message, for a migration that leaves nothing to put back.

To ask whether it has changed settings (bridge.baseline), to move the pointer and to write the row
are three waits for the server. Here they are one message, which writes nothing unless all is as
it was. It is only a shorter way: what it cannot do is left to be done step by step.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import Error as DriverError
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from sqlalchemy.exc import DBAPIError

from bridge.baseline import Baseline, literal
from bridge.ledger import Ledger, sqlstate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from bridge.layout import Layout
    from bridge.line import Row
    from bridge.work import Work

#: Classes of errors that there may be none of step by step, or a better explanation: of data, of
#: constraints, of transactions that only read, of statements that a file has made the session
#: forget, of names and rights, of locks that are not free.
_TRIED_AGAIN = ("22", "23", "25", "26", "3F", "42", "55")

_SAVEPOINT = "bridge_record"

# One statement after the other, up to the first error. The row comes from the pointer that has
# moved, so that it is there if exactly one has.
_MOVE = "UPDATE {version_table} SET version_num = {new} WHERE version_num = {old} AND {fits}"
_ADD = """
INSERT INTO {ledger} ({columns})
SELECT {values} FROM {version_table} WHERE version_num = {new} RETURNING {told}
"""


@dataclass(slots=True)
class _Texts:
    """What writes a record, for psycopg2: the first, the second and each later one of a kind."""

    name: str
    first: str
    second: str
    later: str
    used: int = 0

    def next(self) -> str:
        return (self.first, self.second, self.later)[min(self.used, 2)]


class Sealing:
    """Writes the records of the migrations of one run, which come one after the other.

    Where there are several, the session prepares the two statements, for to plan them takes longer
    than to execute them.
    """

    def __init__(self, connection: Connection, ledger: Ledger, layout: Layout) -> None:
        self._connection = connection
        self._ledger = ledger
        self._layout = layout
        #: When the last of them was applied, as the server shows it; the row after it is later even
        #: if the clock goes back.
        self._latest: str | None = None
        #: By the limit and whether all settings are looked at.
        self._texts: dict[tuple[str, bool], _Texts] = {}
        self._names = itertools.count(1)

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
        key = (limit or baseline.lock_timeout, work.about_settings)
        values = self._ledger.values(row, self._layout)
        texts = self._texts.pop(key, None)  # forgotten if it fails
        if texts is None:
            fits = baseline.still(lock_timeout=key[0], thorough=key[1])
            texts = self._made(fits, baseline.lock_timeout, list(values))
        moved = {"old": old, "new": new, "latest": self._latest}
        try:
            # Below SQLAlchemy, which would take as long again as the server does.
            with work.dbapi.cursor() as cursor:
                cursor.execute(texts.next(), {**values, **moved})
                written = cursor.fetchall()
        except DriverError as error:
            if (sqlstate(error) or "")[:2] not in _TRIED_AGAIN:
                if self._connection.dialect.is_disconnect(error, work.dbapi, None):
                    self._connection.invalidate(error)
                raise
        else:
            texts.used += 1
            self._texts[key] = texts
            if len(written) == 1:
                self._latest = written[0][0]
                return True
        self._connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False

    def close(self) -> None:
        """Let the session forget what it has prepared; it is in no transaction before and after."""
        connection = self._connection
        names = [texts.name for texts in self._texts.values() if texts.used > 1]
        if names and not (connection.closed or connection.invalidated):
            told = "; ".join([f"DEALLOCATE {name}_move; DEALLOCATE {name}_add" for name in names])
            with suppress(DBAPIError):  # of a session that is gone, or has forgotten all of them
                connection.exec_driver_sql(told)
                connection.rollback()

    def _made(self, fits: str, lock_timeout: str, written: list[str]) -> _Texts:
        """The texts for sessions of which `fits` is true, with these values of a row."""
        name = f"bridge_{next(self._names)}"
        begin = f"SAVEPOINT {_SAVEPOINT}; "
        # The limit for waits on locks is the file's, and the row is not the file's any more.
        between = f"; SET LOCAL lock_timeout = {_driver(literal(lock_timeout))}; "
        given = {value: f"%({value})s" for value in ("new", "old", "latest", *written)}
        move, add = self._statements(_driver(fits), given, _driver)
        places = {value: f"${place}" for place, value in enumerate(given, 1)}
        kinds = self._layout.names
        types = dict.fromkeys(given, "text")
        types |= {value: kinds[value] for value in written if value != "key"}
        types["key"] = kinds[self._layout.key or "version"]
        told = ", ".join(types.values())
        prepare = "; ".join(
            f"PREPARE {name}_{what} ({told}) AS {statement}"
            for what, statement in zip(("move", "add"), self._statements(fits, places), strict=True)
        )
        values = ", ".join(given.values())
        execute = f"EXECUTE {name}_move ({values}){between}EXECUTE {name}_add ({values})"
        return _Texts(
            name,
            first=f"{begin}{move}{between}{add}",
            second=f"{begin}{_driver(prepare)}; {execute}",
            later=f"{begin}{execute}",
        )

    def _statements(
        self, fits: str, given: Mapping[str, str], escaped: Callable[[str], str] = str
    ) -> tuple[str, str]:
        """What moves the pointer and what adds the row, with these values."""
        ledger = self._ledger
        sources = ledger.sources(
            self._layout, parameter=given.__getitem__, escaped=escaped, latest=given["latest"]
        )
        words = {
            "version_table": escaped(ledger.version_name),
            "ledger": escaped(ledger.name),
            "columns": ", ".join(sources),
            "values": ", ".join(sources.values()),
            "told": "applied_at::text" if "applied_at" in sources else "NULL",
        }
        return _MOVE.format(fits=fits, **given, **words), _ADD.format(**given, **words)


def _driver(sql: str) -> str:
    """A % would begin a parameter."""
    return sql.replace("%", "%%")
