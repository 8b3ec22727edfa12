"""The cursor of a connection that writes a script: it puts parameters in, and has no rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol, Self

import psycopg2

from bridge.database.literals import Literals, NoLiteralError, literal


class Writes(Protocol):
    """What a cursor needs of its connection."""

    def line(self) -> int | None:
        """Return the line that the file runs now."""

    def send(self, statement: str) -> None:
        """Write one statement, with its parameters in it."""

    def refuse(self, sentence: str) -> NoReturn:
        """Raise why there can be no script."""

    def refuse_reading(self, statement: str, sent_at: int | None) -> NoReturn:
        """Raise that the file wants to know what a statement answered."""


class ScriptCursor:
    """Stands for psycopg2's cursor; whatever would fetch a row is an error."""

    #: As after a statement without rows; that nobody reads them is seen to above the driver.
    description = None
    rowcount = -1
    lastrowid = 0
    arraysize = 1

    def __init__(self, connection: Writes) -> None:
        self.connection = connection
        self._statement = "nothing"
        self._sent_at: int | None = None

    def execute(self, statement: str | bytes, parameters: Any = None) -> None:
        """Write the statement with its parameters."""
        text = self._merged(statement, parameters)
        self._statement, self._sent_at = text, self.connection.line()
        self.connection.send(text)

    def executemany(self, statement: str | bytes, parameters: Iterable[Any]) -> None:
        """Write the statement once for each set of parameters."""
        for each in parameters:
            self.execute(statement, each)

    def mogrify(self, statement: str | bytes, parameters: Any = None) -> bytes:
        """Return the statement with its parameters, for psycopg2's `execute_values`."""
        return self._merged(statement, parameters).encode()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __iter__(self) -> NoReturn:
        self.connection.refuse_reading(self._statement, self._sent_at)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.startswith("copy_"):
            self.connection.refuse(
                f"cursor.{name}() exchanges data with this process, which a script cannot. "
                "Nothing was written. Write INSERT statements, or let the file run: eai migrate."
            )
        self.connection.refuse_reading(self._statement, self._sent_at)

    def _merged(self, statement: str | bytes, parameters: Any) -> str:
        text = statement.decode() if isinstance(statement, bytes) else statement
        # None is the one value for which psycopg2 leaves a % alone.
        if parameters is None:
            return text
        try:
            if isinstance(parameters, Mapping):
                return text % Literals(parameters)
            return text % tuple(literal(value) for value in parameters)
        except NoLiteralError as error:
            self.connection.refuse(
                f"a value of type {error} cannot be written into a script: only a connection can "
                "write it. Nothing was written. Put it into the statement as text."
            )
        except (TypeError, ValueError, KeyError) as error:
            # As online, where psycopg2 finds the same faults before it sends anything.
            raise psycopg2.ProgrammingError(
                f"the parameters do not fit the statement ({error}); a % that is no parameter is "
                "written %%"
            ) from error
