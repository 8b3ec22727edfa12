"""The statements of a rehearsed file as the SQL that a real run would send.

A rehearsal runs in one transaction, so that what the file commits is only a savepoint there.
Here those savepoints become BEGIN and COMMIT again. Nothing here talks to a database.
"""

from __future__ import annotations

import re

from bridge.database.sql_text import terminated
from bridge.execution.savepoint import ALL
from bridge.files.mode import Mode

#: What stands for BEGIN, COMMIT and ROLLBACK; other savepoints are the file's own affair.
_SAVEPOINT = re.compile(rf"(SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) {ALL}")


class FileScript:
    """The script of one file, statement after statement."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._lines: list[str] = []
        self._open = False
        #: How many statements it has, but for those that begin and end transactions.
        self.statements = 0

    def add(self, statement: str) -> bool:
        """Add a statement with its parameters in it; return whether it ends a transaction."""
        savepoint = _SAVEPOINT.fullmatch(statement.strip())
        if savepoint is not None and self._mode is not Mode.ATOMIC:
            if savepoint[1] != "SAVEPOINT":
                self._end("COMMIT" if savepoint[1].startswith("RELEASE") else "ROLLBACK")
            return savepoint[1] != "SAVEPOINT"
        text = terminated(statement)
        if text:
            self._begin()
            self._lines.append(text)
            self.statements += 1
        return False

    def text(self) -> str:
        """Return the whole script, with the commit that ends the file."""
        self._end("COMMIT")
        return "\n".join(self._lines)

    def _begin(self) -> None:
        if not self._open:
            self._lines.append("BEGIN;")
            self._open = True

    def _end(self, how: str) -> None:
        if self._open:
            self._lines.append(f"{how};")
        self._open = False
