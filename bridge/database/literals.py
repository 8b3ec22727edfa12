"""Write Python values as SQL constants, without a connection.

psycopg2 does this itself when it sends a statement. Without a connection it does not know how
the server reads a backslash, and guesses; so whatever may hold one is written here. Everything
means the same whatever ``standard_conforming_strings`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from psycopg2 import ProgrammingError
from psycopg2.extensions import SQL_IN, Binary, QuotedString, adapt
from psycopg2.extras import Json, RangeAdapter

from bridge.database.quoting import constant

#: What psycopg2 makes of a list; it has no public name.
_LIST = type(adapt([]))


class NoLiteralError(Exception):
    """A value that a connection could send, and that cannot be written without one."""


class Literals(Mapping[str, str]):
    """Named parameters, each written when the statement asks for it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return literal(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def literal(value: Any) -> str:
    """Write one value as psycopg2 would, through its own and a team's adapters.

    Raises psycopg2's ProgrammingError for a value that it cannot send either, and NoLiteralError.
    """
    if isinstance(value, UUID):  # psycopg2 learns it from SQLAlchemy, on the first connection
        return f"'{value}'::uuid"
    adapter = adapt(value)
    if isinstance(adapter, QuotedString):
        return quoted(_text(adapter.adapted))
    if isinstance(adapter, Binary):
        return f"E'\\\\x{bytes(adapter.adapted).hex()}'::bytea"
    if isinstance(adapter, _LIST):
        return _array(adapter.adapted)
    if isinstance(adapter, SQL_IN) and isinstance(value, tuple):
        return f"({', '.join(literal(item) for item in value)})"
    if isinstance(adapter, Json):
        return quoted(adapter.dumps(adapter.adapted))
    if isinstance(adapter, RangeAdapter) and adapter.name is not None:
        return _range(adapter)
    return _as_adapted(adapter, value)


def quoted(value: str) -> str:
    """Write a text as a constant."""
    if "\0" in value:
        raise ProgrammingError("a text cannot contain NUL (0x00) characters")
    return constant(value)


def do_block(body: str) -> str:
    """Write a statement that runs this body of PL/pgSQL, whatever texts stand in it."""
    body = f"\n{body}\n"
    tags = ("$bridge$", *(f"$bridge{number}$" for number in range(body.count("$"))))
    tag = next(each for each in tags if each not in body)
    return f"DO {tag}{body}{tag}"


def _text(value: str | bytes) -> str:
    # str() of an Enum that is also a str is not its value.
    return value.decode() if isinstance(value, bytes) else str.__str__(value)


def _array(values: list[Any], *, inner: bool = False) -> str:
    if values and _all_none(values):
        # Without any value in it, only a text leaves the type to the context.
        return f"'{_braces(values)}'"
    if not values:
        return "ARRAY[]" if inner else "'{}'"
    items = (
        _array(item, inner=True) if isinstance(item, list) else literal(item) for item in values
    )
    return f"ARRAY[{', '.join(items)}]"


def _all_none(values: list[Any]) -> bool:
    return all(
        bool(item) and _all_none(item) if isinstance(item, list) else item is None
        for item in values
    )


def _braces(values: list[Any]) -> str:
    items = (_braces(item) if isinstance(item, list) else "NULL" for item in values)
    return "{" + ",".join(items) + "}"


def _range(adapter: Any) -> str:
    value = adapter.adapted
    if value.isempty:
        return f"'empty'::{adapter.name}"
    bounds = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
    ends = f"{literal(value.lower)}, {literal(value.upper)}"
    return f"{adapter.name}({ends}, '{bounds[0]}{bounds[1]}')"


def _as_adapted(adapter: Any, value: object) -> str:
    kind = type(value).__name__
    try:
        written = adapter.getquoted()
    except (AttributeError, TypeError, ProgrammingError) as error:
        raise NoLiteralError(kind) from error
    text = written.decode() if isinstance(written, bytes) else str(written)
    if "\\" in text:
        raise NoLiteralError(kind)  # nobody knows what the adapter took it for
    return text
