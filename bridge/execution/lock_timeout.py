"""Set the server's `lock_timeout` while a migration runs.

A statement that waits for the lock of a busy table makes everyone who comes later wait behind
it, readers included. With a limit it gives up instead, and `bridge.execution.retry` tries it again.

What a file sets itself wins, and `bridge.execution.session_state` puts everything back before the
record is written.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.database.connection_state import in_autocommit, is_idle
from bridge.database.driver import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.locking.pooler import PooledClaim

#: Such a statement blocks nobody while it waits, and leaves something half done behind when it
#: is stopped: an INVALID index, say. So it may wait.
CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)

#: The file has a limit of its own.
_SETS_IT = re.compile(r"\b(RE)?SET(_CONFIG)?\b.*\block_timeout\b", re.IGNORECASE | re.DOTALL)

# What the caller has set for the transaction is the caller's wish.
_LOCAL = """
SELECT set_config('lock_timeout', %(value)s, true) WHERE current_setting('lock_timeout') = '0'
"""


class LockTimeout:
    """Limits how long the statements of the files of one run wait for a lock.

    The session is told once, before the first file begins, so that it counts across commits and
    costs nothing for the files after it. Behind a pooler, which shares sessions, it is made LOCAL
    to each transaction, together with the claim (`pooled`), and in a transaction of the caller's
    (`external`) LOCAL to that.
    """

    def __init__(
        self,
        dbapi: Any,
        seconds: float,
        *,
        before: str,
        pooled: PooledClaim | None,
        external: bool,
    ) -> None:
        """`before` is what the session had before the run."""
        self._dbapi = plain(dbapi)
        self._before = before
        self._value = str(max(1, round(seconds * 1000)))  # 0 would be no limit at all
        self._pooled = pooled
        self._external = external
        self._is_the_files = False
        #: The limit as the server shows it; None while the session has none of ours.
        self.shown: str | None = None

    def begin(self) -> None:
        """Prepare for a file; the connection is in no transaction unless `external`."""
        self._is_the_files = False
        if self._pooled is not None:
            self._pooled.lock_timeout = self._value
            return
        # If it fails so will the file's first statement, in words that name the file.
        with suppress(Exception):
            if self._external:
                with self._dbapi.cursor() as cursor:
                    cursor.execute(_LOCAL, {"value": self._value})
            elif self.shown is None:
                # Outside of a transaction, or a rollback in the file would take it back.
                self._outside(self._set)

    def before(self, statement: str) -> None:
        """Prepare for a statement of the file."""
        if "timeout" in statement.lower() and _SETS_IT.search(statement):
            self._is_the_files = True
            self.end()
        # Outside of transactions only: inside of one nothing can be done CONCURRENTLY.
        if self._pooled or self._external or self._is_the_files or not self._dbapi.autocommit:
            return
        with suppress(Exception):
            self._unset() if CONCURRENTLY.search(statement) else self._set()

    def end(self) -> None:
        """End the limit: the next transaction is not the file's, or the file has its own limit."""
        if self._pooled is not None:
            self._pooled.lock_timeout = None

    def forget(self) -> None:
        """Note that the session has its own value again."""
        self.shown = None

    def close(self) -> None:
        """End the run: give the session its own value back, where that can be done."""
        with suppress(Exception):
            self._outside(self._unset)

    def _outside(self, change: Callable[[], None]) -> None:
        """Change it outside of a transaction; does nothing where the connection is in one."""
        if not is_idle(self._dbapi):
            return
        with in_autocommit(self._dbapi):
            change()

    def _set(self) -> None:
        if self.shown is None:
            self.shown = self._set_in_session(self._value)

    def _unset(self) -> None:
        if self.shown is not None:
            self.shown = None
            self._set_in_session(self._before)

    def _set_in_session(self, value: str) -> str:
        with self._dbapi.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (value,))
            return str(cursor.fetchone()[0])
