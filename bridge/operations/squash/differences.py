"""Compare what two runs have made: schema, rows, sequences and extensions. Data in, data out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.operations.schema.difference import unified
from bridge.operations.schema.entries import Entry, text_of
from bridge.operations.schema.tables import Name, Row, quoted
from bridge.operations.schema.volatile import Volatile, without_columns
from bridge.operations.squash.contents import Contents
from bridge.operations.squash.rows import literal

#: How many rows of a table are shown that only one side has.
_SHOWN: Final = 20


_NONE: Final = Volatile()


def differs(
    one: Contents, other: Contents, *, named: tuple[str, str], leaving_out: Volatile = _NONE
) -> str:
    """Return in what two runs differ, as a diff from `one` to `other`; empty if in nothing.

    Of what is volatile the values are left out. Rows are counted all the same.
    """
    parts = [
        _schema(one.entries, other.entries, named),
        unified(_extensions(one), _extensions(other), named=named),
        *_tables(one, other, leaving_out),
        *_sequences(one, other, leaving_out.sequences),
    ]
    return "\n".join(filter(None, parts))


def computed(found: Volatile, contents: Contents) -> Volatile:
    """Keep of what is volatile those columns whose values the new file does not give."""
    return Volatile({key: some for key, (_, some) in _parted(found, contents) if some})


def given(found: Volatile, contents: Contents) -> Volatile:
    """Keep of what is volatile what the new file has the values of one run of."""
    columns = {key: some for key, (some, _) in _parted(found, contents) if some}
    return Volatile(columns, found.sequences)


def _parted(
    found: Volatile, contents: Contents
) -> Iterator[tuple[Name, tuple[frozenset[str], frozenset[str]]]]:
    for table in contents.tables:
        columns = found.columns.get(table.key, frozenset())
        yield table.key, (columns - table.computed, columns & table.computed)


def stale(contents: Contents, found: Volatile) -> tuple[str, ...]:
    """Return the views whose rows were older than their query, but for those that are volatile."""
    return tuple(quoted(name) for name in sorted(contents.stale) if name not in found.columns)


def _schema(one: Iterable[Entry], other: Iterable[Entry], named: tuple[str, str]) -> str:
    # The order in which pg_dump writes them may depend on that in which they were made.
    first, second = (sorted(each, key=_place) for each in (one, other))
    return "" if first == second else unified(text_of(first), text_of(second), named=named)


def _place(entry: Entry) -> tuple[str, str, str, str]:
    return entry.kind, entry.schema, entry.name, entry.sql


def _extensions(contents: Contents) -> str:
    return "".join(
        f"extension {name} in version {version}\n"
        for name, version in sorted(contents.extensions.items())
    )


def _tables(one: Contents, other: Contents, leaving_out: Volatile) -> Iterator[str]:
    first, second = ({table.key: table for table in each.tables} for each in (one, other))
    for key in sorted(first.keys() | second.keys()):
        columns = leaving_out.columns.get(key, frozenset())
        here, there = (
            Counter(without_columns(each[key], columns)) if key in each else Counter[Row]()
            for each in (first, second)
        )
        if here == there:
            continue
        yield f"rows of {quoted(key)}: {here.total()} and {there.total()}"
        yield from _shown("-", here - there)
        yield from _shown("+", there - here)


def _shown(mark: str, rows: Counter[Row]) -> Iterator[str]:
    lines = sorted(f"{mark} ({', '.join(map(literal, row))})" for row in rows.elements())
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"{mark} and {len(lines) - _SHOWN} more"


def _sequences(one: Contents, other: Contents, leaving_out: frozenset[Name]) -> Iterator[str]:
    for name in sorted((one.sequences.keys() | other.sequences.keys()) - leaving_out):
        states = [each.sequences.get(name) for each in (one, other)]
        if states[0] != states[1]:
            yield f"sequence {quoted(name)}"
            yield from (
                f"{mark} {'absent' if state is None else state.last}"
                f"{', which was given out' if state and state.called else ''}"
                for mark, state in zip("-+", states, strict=True)
            )
