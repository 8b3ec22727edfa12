"""The messages about a squash: one file in place of many."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.findings import Finding, refusal
from bridge.ledger.history import Entry
from bridge.reporting.numbers import counted, listed

#: How many migrations a sentence names at the most.
_SHOWN = 5


def replaces(entry: Entry) -> str:
    """What a squash is, in words such as: replaces 70 migrations."""
    return f"replaces {counted(len(entry.replaces), 'migration')}"


def recorded_unrun(entry: Entry) -> str:
    """A squash was recorded on a database that has applied all that it replaces."""
    return f"{entry.stem}: recorded, not run: it {replaces(entry)} that are applied here."


def partly_replaced(entry: Entry, applied: Sequence[str], gone: Sequence[str]) -> Finding:
    """A part of what a squash replaces is applied, and not all of the rest has a file."""
    count, last = len(applied), applied[-1]
    are = "is" if count == 1 else "are"
    lacks, they = ("is", "its file is") if len(gone) == 1 else ("are", "their files are")
    return refusal(
        "partly-replaced",
        f"{entry.stem}.py {replaces(entry)}, of which {count} {are} applied to this database, the "
        f"last of them {last}; {listed(gone, _SHOWN)} {lacks} not, and {they} not in this folder.",
        "Deploy first the release that still has the files, the last of them being "
        f"{entry.replaces[-1]}.py, and let it run to the end; then this one.",
        migration=entry.stem,
        file=entry.path,
    )
