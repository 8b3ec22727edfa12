"""Find the columns that an adopted ledger lacks, and what depends on them.

Data in, data out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from bridge.errors import FilesError
from bridge.findings import Finding, refusal, warning
from bridge.ledger.columns import ADDED_COLUMNS
from bridge.ledger.history import Entry
from bridge.ledger.layout import Layout
from bridge.ledger.messages.wording import joined
from bridge.ledger.state import State

_WITHOUT: Final = (
    ("checksum", "files that are renamed or changed after they were applied are not noticed"),
    ("execution_ms", "how long a migration took is not recorded"),
    ("breaking", "breaking = True cannot be recorded, so a file that says it is refused"),
)


def _warning(state: State, layout: Layout) -> Finding | None:
    """What an adopted ledger lacks that cannot be added, and what does not hold without it."""
    unusable = layout.unusable
    lacking = {**layout.lacking, **dict.fromkeys(unusable)}
    if not lacking or not layout.names:
        return None
    names = list(lacking)
    kept = {*layout.columns, *(["checksum"] if layout.keeps_checksums else [])}
    without = [what for name, what in _WITHOUT if name not in kept]
    return warning(
        "lacks-columns",
        f"{state.ledger} has no {'column' if len(names) == 1 else 'columns'} "
        f"{joined(names)}{' of a type that bridge can use' if unusable else ''}, and this role "
        f"may not add {'it' if len(names) == 1 else 'them'}{': ' if without else ''}"
        f"{'; '.join(without)}.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
    )


def lacking_columns(state: State, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Columns that bridge may not add; what depends on them is refused."""
    table, layout = state.table, state.layout
    if table is None or (table.owned and not layout.unusable):
        return
    found = _warning(state, layout)
    if found is None:
        return
    yield found
    if "breaking" not in layout.columns:
        for entry in entries:
            if _says_breaking(entry):
                yield breaking_unrecorded(state, layout, entry)


def additions(state: State) -> str | None:
    """What the first run that writes adds to a table that another runner has made; None if nothing.

    A team may want to know, before it looks at its own table afterwards.
    """
    lacking = list(state.layout.lacking)
    if state.table is None or not lacking or not state.table.owned:
        return None
    columns = f"the {'column' if len(lacking) == 1 else 'columns'} {joined(lacking)}"
    made = "" if state.pointer_table else f", and makes the table {state.version_table}"
    return (
        f"{state.ledger} was made by another runner: the first run adds {columns} to it, records "
        f"the checksums of the files that are there{made}."
    )


def addition(ledger: str, layout: Layout) -> str:
    """The statement that gives a ledger the columns that it lacks, for a person to type."""
    parts = [f"ADD COLUMN {name} {kind}" for name, kind in layout.lacking.items()]
    parts += [
        f"ALTER COLUMN {name} TYPE {ADDED_COLUMNS.get(name, ADDED_COLUMNS['checksum'])} USING NULL"
        for name in layout.unusable
    ]
    return f"ALTER TABLE {ledger} {', '.join(parts)};"


def unrecorded_checksums(state: State) -> Finding | None:
    """Why a checksum cannot be recorded that a person has asked for; None if it can be."""
    return no_checksums(state, state.layout) if _keeps_no_checksum(state) else None


def no_checksums(state: State, layout: Layout) -> Finding:
    """A ledger that has no column for a checksum, and gets none."""
    return refusal(
        "lacks-columns",
        f"{state.ledger} has no column for bridge's checksums, and this role may not add it; what "
        f"it lacks is {joined([*layout.lacking, *layout.unusable])}.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
    )


def _keeps_no_checksum(state: State) -> bool:
    table = state.table
    return not (table is None or table.owned or "checksum" in state.layout.columns)


def breaking_unrecorded(state: State, layout: Layout, entry: Entry) -> Finding:
    """A file whose word to older releases could not be kept."""
    return refusal(
        "breaking-unrecorded",
        f"{entry.stem} says breaking = True, and {state.ledger} has no column to record it in: "
        "an older release would start on this database all the same.",
        f"Type this once as the table's owner: {addition(state.ledger, layout)}",
        migration=entry.stem,
        file=entry.path,
    )


def drift_unrecorded(state: State) -> Finding | None:
    """A setting that promises what this ledger cannot tell; None if it can, or will."""
    if not _keeps_no_checksum(state) or state.layout.keeps_checksums:
        return None
    return refusal(
        "drift-unrecorded",
        f"drift = refuse is set, but {state.ledger} has no column for bridge's checksums, and "
        "this role may not add it: a file that was changed would not be noticed.",
        f"Type this once as the table's owner: {addition(state.ledger, state.layout)} Or set drift "
        "= warn.",
    )


def _says_breaking(entry: Entry) -> bool:
    with suppress(FilesError):  # a finding of its own
        return entry.file is not None and entry.file.header.breaking
    return False
