"""What a file that was written for psycopg 3 has to write on psycopg2, by the name that it uses.

A migration runs on psycopg2, whichever driver the URL names. Most of a file does not notice: its
SQL, its parameters and what is read are the same. The names below are not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RUNS_ON: Final = "Migrations run on psycopg2, whichever driver the URL names"
_COMPOSES: Final = (
    "What psycopg.sql has composed is for psycopg 3: take SQL, Identifier and Literal from "
    "psycopg2.sql, and give them to execute() of a cursor."
)
_ROWS: Final = (
    "For rows as dictionaries, use cursor(cursor_factory=psycopg2.extras.RealDictCursor)."
)
_JSON: Final = "Send json.dumps(...), in SQL with a cast: CAST(:value AS jsonb)."
_RANGE: Final = "Send its text, '[1,10)', with a cast, or a range of psycopg2.extras."
_ADDRESS: Final = "Send str(...) of it, with a cast: CAST(:value AS inet)."

#: Attributes of psycopg 3's connections and cursors that psycopg2's have not.
ATTRIBUTES: Final = {
    "execute": "Use a cursor of it: cursor = connection.cursor(), and cursor.execute(...).",
    "copy": "For COPY, use copy_expert(sql, file) of a cursor.",
    "stream": 'Use a cursor with a name, connection.cursor("rows"), and go through it.',
    "pipeline": "Leave it out. psycopg2.extras.execute_values() sends many rows at once.",
    "transaction": "Use db.begin_nested() for a savepoint, and db.commit().",
    "set_autocommit": 'Write transaction = "autocommit" at the top of the file.',
    "set_read_only": "Use set_session(readonly=...) of the connection.",
    "set_deferrable": "Use set_session(deferrable=...) of the connection.",
    "add_notice_handler": "Read notices of the connection, a list of texts.",
    "add_notify_handler": "Use poll() and notifies of the connection, a list.",
    "adapters": "Use psycopg2.extensions.register_adapter() and new_type().",
    "broken": "Use closed of the connection.",
    "cancel_safe": "Use cancel() of the connection.",
    "row_factory": _ROWS,
    "pgconn": _COMPOSES,
    "set_result": "Send each statement by itself, and read what it answers before the next.",
    "results": "Send each statement by itself, and read what it answers before the next.",
}

#: Keyword arguments of theirs.
KEYWORDS: Final = {
    "returning": "Use psycopg2.extras.execute_values(..., fetch=True).",
    "prepare": "Leave it out: psycopg2 prepares nothing.",
    "binary": "Leave it out: psycopg2 sends and reads text.",
    "row_factory": _ROWS,
}

ANY_KEYWORD: Final = "|".join(KEYWORDS)

#: Types of values that psycopg 3 sends, and psycopg2 does not know.
TYPES: Final = {
    "Json": _JSON,
    "Jsonb": _JSON,
    "dict": _JSON,
    "Range": _RANGE,
    "Multirange": _RANGE,
    **dict.fromkeys(("IPv4Address", "IPv6Address"), _ADDRESS),
    **dict.fromkeys(("IPv4Network", "IPv6Network"), _ADDRESS.replace("inet", "cidr")),
    **dict.fromkeys(("IPv4Interface", "IPv6Interface"), _ADDRESS),
    **dict.fromkeys(("SQL", "Identifier", "Literal", "Composed", "Placeholder"), _COMPOSES),
}
OTHER_TYPE: Final = (
    "Send an ordinary value: json.dumps(...) for JSON, value.value of an Enum, str(...) of others."
)

#: What is a module of psycopg's, and what it is on psycopg2.
MODULES: Final = {
    "psycopg.errors": "Use psycopg2.errors: the names are the same.",
    "psycopg.sql": "Use psycopg2.sql: the names are the same.",
    "psycopg.rows": _ROWS,
    "psycopg": "Use db; or psycopg2, psycopg2.sql, psycopg2.errors and psycopg2.extras.",
    "psycopg_pool": "Use db.",
}


@dataclass(frozen=True, slots=True)
class Import:
    """Something of psycopg 3's that a file imports."""

    line: int
    #: As `psycopg.errors.DuplicateTable`.
    name: str
    #: What the file calls it.
    known_as: str

    @property
    def instead(self) -> str:
        """What to write in its place, as a sentence."""
        if (last := self.name.rpartition(".")[2]) in TYPES:
            return TYPES[last]
        of = self.name
        while of not in MODULES:
            of = of.rpartition(".")[0]
        return MODULES[of]


def imports(module: ast.Module) -> Iterator[Import]:
    """Find what a file imports of psycopg 3.

    Raises RecursionError for a file that is nested too deeply.
    """
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                found = [(each.name, each.asname or each.name.partition(".")[0]) for each in names]
            case ast.ImportFrom(module=str(of), level=0, names=names):
                found = [(f"{of}.{each.name}", each.asname or each.name) for each in names]
            case _:
                continue
        for name, known_as in found:
            if name.partition(".")[0] in MODULES:
                yield Import(node.lineno, name, known_as)


def caught(module: ast.Module) -> frozenset[str]:
    """List the names at the beginning of what the `except` clauses of a file name."""
    return frozenset(
        node.id
        for handler in ast.walk(module)
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        for node in ast.walk(handler.type)
        if isinstance(node, ast.Name)
    )
