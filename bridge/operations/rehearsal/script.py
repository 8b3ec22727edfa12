"""The statements of a rehearsed file as the SQL that a real run would send.

A rehearsal runs in one transaction, so that what the file commits is only a savepoint there.
Here the outermost savepoints become BEGIN and COMMIT again. Nothing here talks to a database.
"""

from __future__ import annotations

import re

from bridge.database.sql_text import terminated
from bridge.files.mode import Mode

#: SQLAlchemy's own savepoints; one that a file names itself is its own affair.
_SAVEPOINT = re.compile(
    r"(?P<does>SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) (?P<name>sa_savepoint_\d+)"
)


class FileScript:
    """The script of one file, statement after statement."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._lines: list[str] = []
        self._open = False
        self._outermost: str | None = None

    def add(self, statement: str) -> None:
        """Add a statement with its parameters in it."""
        savepoint = _SAVEPOINT.fullmatch(statement.strip())
        if savepoint is not None and self._mode is not Mode.ATOMIC:
            if self._outermost is None and savepoint["does"] == "SAVEPOINT":
                self._outermost = savepoint["name"]
                return
            if savepoint["name"] == self._outermost:
                self._end("COMMIT" if savepoint["does"].startswith("RELEASE") else "ROLLBACK")
                return
        text = terminated(statement)
        if text:
            self._begin()
            self._lines.append(text)

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
        self._outermost = None
