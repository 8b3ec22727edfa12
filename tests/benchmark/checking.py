"""Whether a run has done its work: what is fast and wrong must not win."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.folders import Migration
    from benchmark.peers import Peer
    from benchmark.server import Database


class WrongResultError(Exception):
    """A peer has not done what it was timed for."""


@dataclass(frozen=True)
class State:
    """What a database holds; two are equal if nothing was written in between, even the same."""

    #: For each table its row, and the transactions that wrote row and table.
    tables: dict[str, tuple[Any, ...]]
    ledger: list[tuple[str, str]]
    pointer: list[tuple[str, str]]


#: Tables in one query: each is locked until its end, and a server has room for some thousands.
AT_ONCE = 500

_TABLES = """
SELECT relname, c.oid::text, c.xmin::text FROM pg_class c
  JOIN pg_attribute a ON attrelid = c.oid AND attname = 'note' AND NOT attisdropped
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
 ORDER BY relname
"""


def read_state(database: Database, peer: Peer) -> State:
    """Look at everything."""
    connection = database.connect()
    try:
        with connection.cursor() as cursor:

            def ask(query: str) -> list[Any]:
                cursor.execute(query)
                return list(cursor.fetchall())

            def book(query: str) -> list[tuple[str, str]]:
                name = query.partition(" FROM ")[2]
                if ask(f"SELECT to_regclass('{name}')") == [(None,)]:
                    return []
                return sorted(ask(query.replace(" FROM ", ", xmin::text FROM ")))

            written = {name: about for name, *about in ask(_TABLES)}
            tables: dict[str, tuple[Any, ...]] = {}
            for start in range(0, len(written), AT_ONCE):
                names = list(written)[start : start + AT_ONCE]
                for name, *row in ask(
                    " UNION ALL ".join(
                        f"SELECT '{name}', id, note, xmin::text FROM {name}" for name in names
                    )
                ):
                    tables[name] = (*tables.get(name, ()), *row, *written[name])
            return State(
                tables,
                book(peer.ledger) if peer.ledger else [],
                book("SELECT version_num FROM alembic_version") if peer.pointer else [],
            )
    finally:
        connection.close()


def check(state: State, peer: Peer, done: list[Migration], scenario: str) -> None:
    """Raise WrongResultError unless exactly these are applied and recorded."""

    def refuse(what: str, found: object, expected: object) -> None:
        raise WrongResultError(
            f"{peer.name} has not done its work in {scenario!r}, N={len(done)}: "
            f"{what} expected: {expected}; found: {found}."
        )

    expected = {each.table: (1, each.number) for each in done}
    found = {name: about[:2] for name, about in state.tables.items()}
    if found != expected or any(len(about) != 5 for about in state.tables.values()):
        wrong = sorted(name for name in expected if found.get(name) != expected[name])
        refuse("tables", f"{len(found)} (wrong or missing: {', '.join(wrong[:3])})", len(expected))
    recorded = [value for value, _ in state.ledger]
    if recorded != peer.records(done):
        refuse("rows in its ledger", len(recorded), len(peer.records(done)))
    pointer = [value for value, _ in state.pointer]
    if pointer != peer.points_to(done):
        refuse("pointer", pointer, peer.points_to(done))


def check_unchanged(before: State, after: State, peer: Peer, scenario: str) -> None:
    """Raise WrongResultError if anything was written where nothing was pending."""
    if before != after:
        raise WrongResultError(f"{peer.name} has written something in {scenario!r}.")
