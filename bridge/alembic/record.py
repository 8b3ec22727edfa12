"""Record a migration in one message, if it leaves nothing to put back.

To ask whether it has changed settings (bridge.execution.session_state), to move the pointer and to
write the row are three waits for the server. Here they are one message, which writes nothing unless
all is as it was. It is only a shorter way: what it cannot do is left to be done step by step.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import Error as DriverError
from sqlalchemy.exc import DBAPIError

from bridge.database.connection_state import is_in_transaction
from bridge.database.quoting import constant, quote
from bridge.database.sqlstate import sqlstate
from bridge.execution.session_state import Baseline
from bridge.ledger import sql
from bridge.ledger.tables import Ledger
from bridge.locking.holder import HOLDS_LOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from bridge.execution.work import Work
    from bridge.ledger.history import Row
    from bridge.ledger.layout import Layout

#: Classes of errors that there may be none of step by step, or a better explanation: of data, of
#: constraints, of transactions that only read, of statements that a file has made the session
#: forget, of names and rights, of locks that are not free.
_TRIED_AGAIN = ("22", "23", "25", "26", "3F", "42", "55")

_SAVEPOINT = "bridge_record"

# One statement after the other, up to the first error. The limit for waits on locks is the file's,
# and the row is not the file's any more. Last, what both tables say then: a trigger may have kept
# a record back, or changed it.
_EXECUTE = """
EXECUTE {name}_move (%(new)s, %(old)s);
SET LOCAL lock_timeout = {before};
EXECUTE {name}_add ({given});
SELECT pg_catalog.set_config('application_name', %(shown)s, false);
EXECUTE {name}_told (%(key)s, %(new)s)
"""

# The row comes from the pointer that has moved, so that it is there if exactly one has.
_PREPARE = """
PREPARE {name}_move (text, text) AS
{move} AND {fits};
PREPARE {name}_add ({types}) AS
{insert};
PREPARE {name}_told (text, text) AS
SELECT {told} FROM {ledger} WHERE {key}::text = $1
   AND ARRAY({pointers}) = ARRAY[$2];
"""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Three statements of the session, by the beginning of their names."""

    name: str
    #: What prepares and what executes them, for psycopg2.
    prepare: str
    execute: str


class RecordAtOnce:
    """Writes the records of the migrations of one run, which come one after the other.

    The session prepares its statements once: to plan them takes longer than to execute them.
    """

    def __init__(self, connection: Connection, ledger: Ledger, layout: Layout) -> None:
        self._connection = connection
        self._ledger = ledger
        self._layout = layout
        #: When the last of them was applied, as the server shows it; the row after it is later even
        #: if the clock goes back.
        self._latest: str | None = None
        #: By the limit and whether all settings are looked at.
        self._prepared: dict[tuple[str, bool], _Prepared] = {}
        self._names = itertools.count(1)

    def write(
        self,
        work: Work,
        baseline: Baseline,
        *,
        limit: str | None,
        old: str,
        new: str,
        row: Row,
        shown: str,
    ) -> bool:
        """Move the pointer from `old` to `new`, and add the row, for work that has just ended.

        `limit` is what the session has for `lock_timeout` unless the file has changed it; None if
        it is as it was before the run. Others are `shown` this name from then on. Returns whether
        it is done; if not, nothing was. Raises the driver's error for what would be no better step
        by step, such as a statement that a person has cancelled.
        """
        if work.sent.hints.changes_settings or not is_in_transaction(work.dbapi):
            return False
        key = (limit or baseline.lock_timeout, work.sent.hints.about_settings)
        values = {"new": new, "latest": self._latest, **sql.values(row, self._layout)}
        known = self._prepared.pop(key, None)  # forgotten if it fails
        texts = known or self._texts(baseline, *key, tuple(values))
        message = texts.execute if known else texts.prepare + texts.execute
        try:
            # Below SQLAlchemy, which would take as long again as the server does.
            with work.dbapi.cursor() as cursor:
                values |= {"old": old, "shown": shown}
                cursor.execute(f"SAVEPOINT {_SAVEPOINT};{message}", values)
                written = cursor.fetchall()
        except DriverError as error:
            if (sqlstate(error) or "")[:2] not in _TRIED_AGAIN:
                if self._connection.dialect.is_disconnect(error, work.dbapi, None):
                    self._connection.invalidate(error)
                raise
        else:
            self._prepared[key] = texts
            if len(written) == 1:
                self._latest = written[0][0]
                return True
        self._connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        return False

    def close(self) -> None:
        """Let the session forget what it has prepared; it is in no transaction before and after."""
        connection = self._connection
        if self._prepared and not (connection.closed or connection.invalidated):
            names = [texts.name for texts in self._prepared.values()]
            statements = "; ".join(
                f"DEALLOCATE {name}_{part}" for name in names for part in ("move", "add", "told")
            )
            with suppress(DBAPIError):  # of a session that is gone, or has forgotten all of them
                connection.exec_driver_sql(statements)
            connection.rollback()

    def _texts(
        self,
        baseline: Baseline,
        limit: str,
        thorough: bool,  # noqa: FBT001
        given: Sequence[str],
    ) -> _Prepared:
        """Statements with a new name, for values of these names."""
        name = f"bridge_{next(self._names)}"
        execute = _EXECUTE.format(
            name=name,
            before=_driver(constant(baseline.lock_timeout)),
            given=", ".join(f"%({value})s" for value in given),
        )
        fits = baseline.still(lock_timeout=limit, thorough=thorough)
        if thorough:
            # What can change settings can let go of the lock as well.
            fits += f" AND {HOLDS_LOCK}"
        return _Prepared(name, _driver(self._preparing(name, fits, given)), execute)

    def _preparing(self, name: str, fits: str, given: Sequence[str]) -> str:
        ledger, layout = self._ledger, self._layout
        kinds = {name: layout.names[column] for name, column in layout.columns.items()}
        kinds |= {
            f"filling_{place}": layout.names[each.column]
            for place, each in enumerate(layout.fillings)
        }
        places = {value: f"${place}" for place, value in enumerate(given, 1)}
        key = layout.names[layout.key or "version"] if layout.words_key is None else "text"
        types = {"new": "text", "latest": "text", "key": key}
        time = layout.columns.get("applied_at")
        sources = sql.sources(ledger, layout, places, latest=places["latest"])
        moved = f" FROM {ledger.version_name} WHERE version_num = $1"
        return _PREPARE.format(
            name=name,
            fits=fits,
            types=", ".join(types.get(v) or kinds.get(v, "text") for v in given),
            move=sql.move_pointer(ledger, "$2", "$1"),
            insert=sql.insert(ledger, sources, moved),
            pointers=sql.select_pointers(ledger),
            ledger=ledger.name,
            told="NULL" if time is None else f"{quote(time)}::text",
            key=layout.key_name,
        )


def _driver(sql: str) -> str:
    """A % would begin a parameter."""
    return sql.replace("%", "%%")
