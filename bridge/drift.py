"""Files that are not what was applied any more: changed since, or under another name.

Told by the checksum that was recorded when a migration was applied. Data in, data out: what is on
disk comes from the function that is handed in. What it says to a person is in
`bridge.disagreements`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import FilesError
from bridge.line import Entry, Line, Row
from bridge.plainfile import PlainFile, name_keys

#: Whether a file has this checksum, and which one it has.
Has = Callable[[PlainFile, str], bool]
Checksum = Callable[[PlainFile], str]

#: An adopted table may have a column of this name for something else.
_OURS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Renamed:
    """An applied migration whose file is gone, and the pending files that may be it."""

    old: Entry
    new: tuple[Entry, ...]


def changed(line: Line, has: Has = PlainFile.has) -> tuple[Entry, ...]:
    """Applied migrations whose file is there, and says something else than what was applied.

    A file that cannot be read counts as changed. Without a recorded checksum nothing is compared,
    and the file is not read.
    """
    return tuple(
        entry
        for entry in line.applied
        if entry.file
        and has_checksum(entry.row)
        and not _is_as_applied(entry.file, _then(entry), has)
    )


def renamed(line: Line, checksum: Checksum = PlainFile.checksum) -> tuple[Renamed, ...]:
    """Applied migrations whose file is gone, and whose very text is in a pending file.

    Reads the pending files, and only if a file is gone.
    """
    gone = [entry for entry in line.missing if has_checksum(entry.row)]
    texts = {
        entry: _now(entry.file, checksum) for entry in (line.pending if gone else ()) if entry.file
    }
    found = (
        Renamed(old, tuple(new for new, text in texts.items() if text == _then(old)))
        for old in gone
    )
    return tuple(each for each in found if each.new)


def respelled(line: Line) -> tuple[Renamed, ...]:
    """Applied migrations whose file is gone, and whose name differs only in spelling from others.

    As in `bridge.reconcile`, which refuses them; whatever their text is.
    """
    found = (
        Renamed(
            old,
            tuple(new for new in line.pending if {*name_keys(new.stem)} & {*name_keys(old.stem)}),
        )
        for old in line.missing
    )
    return tuple(each for each in found if each.new)


def row_of(file: PlainFile, milliseconds: int | None = None) -> Row:
    """What is recorded of a file that ran so long, except when.

    Of the text that ran, which is held since the run began: a newer release may have replaced the
    file meanwhile.
    """
    header = file.header
    return Row(
        version=file.stem,
        description=header.description,
        checksum=file.checksum(),
        execution_ms=milliseconds,
        breaking=header.breaking,
    )


def has_checksum(row: Row | None) -> bool:
    """Whether it is recorded what was applied."""
    return row is not None and _OURS.fullmatch(row.checksum or "") is not None


def _then(entry: Entry) -> str:
    return (entry.row and entry.row.checksum) or ""


def _is_as_applied(file: PlainFile, then: str, has: Has) -> bool:
    try:
        return has(file, then)
    except FilesError:
        return False


def _now(file: PlainFile, checksum: Checksum) -> str | None:
    try:
        return checksum(file)
    except FilesError:
        return None
