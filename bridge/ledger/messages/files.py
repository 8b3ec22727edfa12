"""The messages about the files of applied and of pending migrations.

Each refusal names the ways on, as commands or statements that can be typed as they stand.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.findings import Finding, refusal, warning
from bridge.ledger.history import Entry
from bridge.ledger.messages.wording import about_first, joined, last_of, stems_of
from bridge.ledger.state import State
from bridge.reporting.numbers import counted, listed

#: How many migrations a sentence names at the most.
_SHOWN = 5


def empty_folder(state: State) -> Finding:
    """Something is recorded, and there is not one file."""
    count = counted(len(state.rows), "migration")
    recorded = (
        f"{state.ledger} records {count}, the last of them {last_of(state)}"
        if state.rows
        else f"{state.version_table} says that this database is at {joined(state.pointers)}"
    )
    return refusal(
        "empty-folder",
        f"The folder holds no migration at all, but {recorded}.",
        "Most likely this release was built without its migrations: check that the folder "
        "is part of the image, and version_locations in alembic.ini.",
    )


def unreadable(entry: Entry, sentence: str) -> Finding:
    """A pending file that cannot be run as it stands."""
    return refusal(
        "unreadable-file",
        sentence,
        migration=entry.stem,
        file=entry.path,
    )


def order_unclear(first: str, second: str) -> Finding:
    """The order of the names is another one than that of the numbers, and nothing has run yet."""
    return refusal(
        "order",
        f"{first}.py would run before {second}.py, although its number is greater: migrations run "
        "in the order of their names. Nothing is recorded here that shows which order is meant.",
        "Put one of these lines into alembic.ini: order = number (as the numbers count), or order "
        "= name (as the names sort).",
        migration=first,
    )


def changed(stems: Sequence[str]) -> str:
    """Files that are not what was applied any more."""
    names = ", ".join(f"{stem}.py" for stem in stems)
    was, it = ("was", "it is") if len(stems) == 1 else ("were", "they are")
    return (
        f"{names} {was} changed after having been applied to this database, where {it} not run "
        "again"
    )


def changed_warning(entries: Sequence[Entry]) -> Finding:
    """As `changed`, where the run goes on."""
    return warning(
        "changed",
        f"{changed(stems_of(entries))}.",
        "Put a further change into a new migration. To accept the present text, type: eai migrate "
        "repair.",
        **about_first(entries),
    )


def changed_refusal(entries: Sequence[Entry]) -> Finding:
    """As `changed`, where the settings want it refused."""
    return refusal(
        "changed",
        f"{changed(stems_of(entries))}, and drift = refuse is set.",
        "Put back the text that was applied, and make further changes in a new migration. Or "
        "accept the present text: eai migrate repair.",
        **about_first(entries),
    )


def no_checksum(entries: Sequence[Entry]) -> Finding:
    """Rows of an adopted table of which nobody knows what was applied."""
    stems = stems_of(entries)
    which = listed(stems, _SHOWN) if len(stems) > _SHOWN else joined(stems)
    was, it = ("was", "it") if len(entries) == 1 else ("were", "they")
    return warning(
        "no-checksum",
        f"{which} {was} recorded without a checksum, so that drift = refuse cannot tell whether "
        f"{it} {was} changed.",
        "The next run that writes records the present texts. To do it now, type: "
        "eai migrate repair",
        **about_first(entries),
    )


def late_refusal(entries: Sequence[Entry], last: str) -> Finding:
    """Files that come late, where the settings want them refused."""
    names = ", ".join(f"{entry.stem}.py" for entry in entries)
    came, them = ("comes", "it") if len(entries) == 1 else ("come", "them")
    return refusal(
        "late",
        f"{names} {came} late: {last} was applied already, and out_of_order = refuse is set.",
        f"Give {them} a number after {last}, or set out_of_order = run.",
        **about_first(entries),
    )


def late_warning(entries: Sequence[Entry], last: str) -> Finding:
    """Files that come late, and run all the same."""
    names = ", ".join(f"{entry.stem}.py" for entry in entries)
    one = len(entries) == 1
    return warning(
        "late",
        f"{names} {'comes' if one else 'come'} late: {last} was applied before.",
        f"{'It is' if one else 'They are'} run now, after it.",
        **about_first(entries),
    )


def missing(entries: Sequence[Entry]) -> Finding:
    """Applied migrations whose file is gone although files remain on either side of it."""
    return warning(
        "file-missing",
        f"{', '.join(stems_of(entries))}: applied to this database, but the file is gone from the "
        "middle of the folder.",
        "The run goes on without it.",
        **about_first(entries),
    )


def newer(entries: Sequence[Entry]) -> Finding:
    """Applied migrations whose name comes after the last file of this folder."""
    return warning(
        "newer",
        f"Applied to this database, and not in this folder: {', '.join(stems_of(entries))}. Most "
        "likely a newer release has migrated it.",
        "The run goes on.",
        **about_first(entries),
    )


def breaking(state: State, entries: Sequence[Entry]) -> Finding:
    """Applied migrations that say `breaking = True`, and are not in this folder."""
    stems = stems_of(entries)
    which = " OR ".join(state.condition(stem) for stem in stems)
    remedy = f"UPDATE {state.ledger} SET breaking = false WHERE {which};"  # noqa: S608
    was, it = ("was", "it") if len(stems) == 1 else ("were", "them")
    return refusal(
        "breaking",
        f"{joined(stems)} {was} applied to this database, not in this folder, and declared with "
        f"breaking = True: releases without {it} cannot work on this database any more.",
        f"Deploy the release that has {it}, or a newer one. To start this one all the "
        f"same, type first: {remedy}",
        **about_first(entries),
    )
