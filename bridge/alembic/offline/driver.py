"""A connection that writes a script instead of sending statements.

It stands where SQLAlchemy expects psycopg2's connection, so that everything above it is the real
thing: the Session, Core, savepoints, `alembic.op`. What it cannot do is answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import psycopg2

from bridge.alembic.offline.cursor import ScriptCursor
from bridge.alembic.offline.index_checks import concerns_indexes, refuse_invalid_indexes
from bridge.database.sql_text import (
    ends_transaction,
    leaves_open,
    pieces,
    rolls_back,
    terminated,
    undoing,
)
from bridge.errors import BridgeError, PlainFileError, UsageError
from bridge.execution.loading import lines_on_stack
from bridge.execution.savepoint import ALL, Savepoint
from bridge.files.mode import Mode

#: psycopg2's numbers for `set_isolation_level`; 0 is AUTOCOMMIT, and 1 is the default.
_LEVELS: Final = {2: "REPEATABLE READ", 3: "SERIALIZABLE", 4: "READ UNCOMMITTED"}

#: What to do where a file cannot do without a database.
_OTHERWISE: Final = (
    "or let the file run instead: eai migrate rehearse, on a copy of the database, runs what is "
    "pending, prints its SQL and rolls everything back."
)

#: What puts the search_path back to that of the role.
_FORGETS_SEARCH_PATH: Final = frozenset({"RESET search_path", "RESET ALL"})

#: How much of a statement a message quotes, in characters.
_LONGEST: Final = 160


class ScriptConnection:
    """Stands for psycopg2's connection, and writes what that would send, BEGIN and COMMIT too.

    As online, a commit is owed: it is written before the next statement, or else the record of
    the migration goes into the same transaction.
    """

    # An attribute that is set and has no effect would be a script that does something else.
    __slots__ = (
        "_about_indexes",
        "_all",
        "_forgetting",
        "_isolation_level",
        "_loose",
        "_mode",
        "_open",
        "_owes_commit",
        "_path",
        "_search_path",
        "_undo",
        "_write",
        "autocommit",
        "forgotten",
        "refused",
    )

    #: psycopg2's name of the encoding.
    encoding = "UTF8"
    notices: Sequence[str] = ()
    closed = 0

    def __init__(self, write: Callable[[str], object], search_path: str | None = None) -> None:
        self._write = write
        #: That of the target, as SQL; None for whatever the session has.
        self._search_path = search_path
        self._open = False
        self._loose = False  # the file has ended the transaction by a text
        self._owes_commit = False
        self._isolation_level: str | None = None
        self._undo: list[str] = []
        self._about_indexes: list[str] = []
        self._forgetting: Sequence[str] = ()
        self._path: str | None = None
        self._mode = Mode.DEFAULT
        self._all = Savepoint(lambda text: write(f"{text};\n\n"), lambda: 0, ALL)
        self.autocommit = False
        #: Whether what a downgrade records has been written before its end.
        self.forgotten = False
        #: Why there can be no script; a file may have caught the error and gone on.
        self.refused: BridgeError | None = None

    # What psycopg2 has and SQLAlchemy calls.

    def cursor(self, name: str | None = None, **_options: object) -> ScriptCursor:
        """Return a cursor on this connection; a named one is for reading."""
        if name is not None:
            self.refuse_reading(f"DECLARE {name} CURSOR", self.line())
        return ScriptCursor(self)

    def commit(self) -> None:
        """Owe a COMMIT, if there is anything to commit."""
        if self._is_all_or_nothing:
            self._all.release(check=False)
            return
        if not self._loose:
            self._owes_commit = self._open
            return
        self._loose = self._open = False

    def rollback(self) -> None:
        """Write a ROLLBACK, if there is anything to roll back: it is certain to happen."""
        if self._is_all_or_nothing:
            self._all.back()
            return
        self.pay_commit()
        if self._open and not self._loose:
            self._write("ROLLBACK;\n\n")
        self._open = self._loose = False

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def set_isolation_level(self, level: int) -> None:
        """Begin further transactions at this level."""
        self.pay_commit()
        self.autocommit = level == psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT
        self._isolation_level = _LEVELS.get(level)

    # What bridge calls.

    @property
    def owes_commit(self) -> bool:
        """Whether a COMMIT was asked for and is not written yet."""
        return self._owes_commit

    def begin_file(self, path: str, mode: Mode, forgetting: Sequence[str] = ()) -> None:
        """Begin the work of this file.

        `forgetting` are the statements that record a downgrade, which have to come no later than
        the first of its work that is final.
        """
        self._path, self._mode = path, mode
        self._forgetting, self.forgotten = forgetting, False
        self.autocommit = mode is Mode.AUTOCOMMIT

    def end_file(self) -> None:
        """End the work of the file: its record follows, in its last transaction.

        What it left behind for its session would send the record elsewhere, and is put back.
        """
        self._path, self._mode = None, Mode.DEFAULT
        self._forgetting = ()
        self._owes_commit = self.autocommit = False
        self._isolation_level = None
        if self._loose:
            self._loose = self._open = False
        undo, self._undo = dict.fromkeys(self._undo), []
        for statement in undo:
            self.send(statement)
        searches_elsewhere = not _FORGETS_SEARCH_PATH.isdisjoint(undo)
        if searches_elsewhere:
            self.set_search_path()
        indexes, self._about_indexes = self._about_indexes, []
        if indexes:
            self.send(refuse_invalid_indexes(indexes, anywhere=searches_elsewhere))

    def set_search_path(self) -> None:
        """Write the search_path of the target, if there is one."""
        if self._search_path is not None:
            self.send(f"SET search_path = {self._search_path}")

    def pay_commit(self) -> None:
        """Write the COMMIT that is owed, if one is."""
        if self._owes_commit:
            self._owes_commit = False
            self._forget()
            self._write("COMMIT;\n\n")
            self._open = False

    def send(self, statement: str) -> None:
        """Write one statement, with its parameters in it."""
        text = terminated(statement)
        if "\0" in text:
            raise ValueError("A statement cannot contain NUL (0x00) characters.")
        if not text:
            return
        if self._is_all_or_nothing and ends_transaction(text):
            self._refuse_ending()
        self._begin()
        if self._is_all_or_nothing:
            self._all.set()
        self._forget_before(text)
        self._write(f"{text}\n\n")
        if self._path is not None:
            self._undo += undoing(text)
            if concerns_indexes(text):
                self._about_indexes.append(text)
        open_now = leaves_open(text)
        if open_now is not None and not self.autocommit:
            self._loose = not open_now

    def line(self) -> int | None:
        """Return the line that the file runs now, from this thread's stack."""
        return next(lines_on_stack(self._path), None) if self._path is not None else None

    def refuse(self, sentence: str) -> NoReturn:
        """Raise why there can be no script; the first reason counts."""
        if self.refused is None:
            self.refused = (
                UsageError(f"env.py: {sentence}")
                if self._path is None
                else PlainFileError(self._path, self.line(), sentence)
            )
        raise self.refused

    def refuse_reading(self, statement: str, sent_at: int | None) -> NoReturn:
        """The file wants to know what a statement answered."""
        short = " ".join(statement.split())
        short = f"{short[:_LONGEST]}..." if len(short) > _LONGEST else short
        where = f" of line {sent_at}" if sent_at and sent_at != self.line() else ""
        self.refuse(
            f"this line reads what a statement{where} answers ({short}), and while a script is "
            "written there is no database to answer. Nothing was written. Leave the decision to "
            "SQL (IF NOT EXISTS, INSERT ... SELECT ... WHERE NOT EXISTS, a DO block), "
            f"{_OTHERWISE}"
        )

    def refuse_looking(self, who: str, instead: str) -> NoReturn:
        """The file wants to know what is in the database already; `instead` is what to write."""
        self.refuse(
            f"{who} the database what is there already, and while a script is written there is "
            f"none to ask. Nothing was written. {instead}, {_OTHERWISE}"
        )

    @property
    def _is_all_or_nothing(self) -> bool:
        return self._path is not None and self._mode is Mode.ATOMIC

    def _begin(self) -> None:
        self.pay_commit()
        if self.autocommit or self._open:
            return
        level = f" ISOLATION LEVEL {self._isolation_level}" if self._isolation_level else ""
        self._write(f"BEGIN{level};\n\n")
        self._open = True

    def _forget_before(self, text: str) -> None:
        if not self._forgetting or self.forgotten:
            return
        if self.autocommit:
            self._write("BEGIN;\n\n")
            self._forget()
            self._write("COMMIT;\n\n")
        elif ends_transaction(text) and not rolls_back(text):
            if self._steering() and sum(map(bool, pieces(text))) > 1:
                self.refuse(
                    "this text ends the transaction in the middle of it, in a downgrade that has "
                    "changed the role or the search_path before. Nothing was written. Send the "
                    "COMMIT by itself, or put the role and the search_path back before it."
                )
            # It may be rolled back all the same, so it comes once more at the end.
            self._forget()
            self.forgotten = False

    def _forget(self) -> None:
        """Write the record of a downgrade; after the COMMIT, all is as the file has left it."""
        if not self._forgetting or self.forgotten:
            return
        for statement in (*self._steering(), *self._forgetting):
            self._write(f"{statement};\n\n")
        self.forgotten = True

    def _steering(self) -> list[str]:
        """What the record suffers from of what the file has changed, put back for a moment."""
        names = {
            "session_authorization": {"RESET SESSION AUTHORIZATION"},
            "role": {"RESET ROLE"},
            "search_path": _FORGETS_SEARCH_PATH,
        }
        return [
            f"SET LOCAL {name} TO DEFAULT"
            for name, undone_by in names.items()
            if not undone_by.isdisjoint(self._undo)
        ]

    def _refuse_ending(self) -> NoReturn:
        self.refuse(
            'the file says transaction = "atomic", all or nothing, and ends the transaction by '
            "itself here. Nothing was written. Use db.commit() and db.rollback(), or "
            'transaction = "default".'
        )
