"""Find files that differ from what was applied: changed since, or under another name.

Told by the checksum that was recorded when a migration was applied. Data in, data out: what is on
disk comes from the function that is handed in. What is said of it is in
`bridge.ledger.messages.names` and `bridge.ledger.messages.files`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import FilesError
from bridge.files.plain_file import PlainFile
from bridge.ledger.checksum_forms import ChecksumForm
from bridge.ledger.history import Entry, History, Row
from bridge.ledger.names import Names, number_of, slug_of

#: Whether a file has this checksum, and which one it has.
Has = Callable[[PlainFile, str], bool]
Checksum = Callable[[PlainFile], str]

#: An adopted table may have a column of this name for something else.
_OURS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Renamed:
    """An applied migration whose file is gone or another, and the files that may be it."""

    old: Entry
    new: tuple[Entry, ...]
    #: What of the name is the same, where nothing but the name tells.
    same: str = ""


def changed(history: History, has: Has = PlainFile.has) -> tuple[Entry, ...]:
    """Applied migrations whose file is there, and says something else than what was applied.

    A file that cannot be read counts as changed. Without a recorded checksum nothing is compared,
    and the file is not read.
    """
    return tuple(
        entry
        for entry in history.applied
        if entry.file and has_checksum(entry.row) and not _is_as_applied(entry.file, entry.row, has)
    )


def renamed(
    history: History, checksum: Checksum = PlainFile.checksum, has: Has = PlainFile.has
) -> tuple[Renamed, ...]:
    """Applied migrations whose very text is in a pending file, and under their own name no more.

    Their file is gone, or has another text now, as in a folder that was numbered anew. Reads the
    pending files, where anything is recorded that they could be.
    """
    # By the form of the checksum, as that of another team is no other one of bridge's.
    recorded: dict[ChecksumForm | None, dict[str, list[Entry]]] = {}
    for entry in history.applied:
        if entry.row is not None and has_checksum(entry.row):
            of_form = recorded.setdefault(entry.row.form, {})
            of_form.setdefault(entry.row.checksum or "", []).append(entry)
    found: dict[Entry, list[Entry]] = {}
    for new in (*history.pending, *history.hidden) if recorded else ():
        for form, entries in recorded.items():
            text = _now(new.file, form, checksum) if new.file else None
            for old in entries.get(text or "", ()):
                if old.file is None or not _is_as_applied(old.file, old.row, has):
                    found.setdefault(old, []).append(new)
    return tuple(Renamed(old, tuple(new)) for old, new in found.items())


def maybe_renamed(history: History) -> tuple[Renamed, ...]:
    """Applied migrations of which only the name is known, and whose file is gone.

    With the pending files that have the same number, or the same words behind it. Each may be that
    migration under another name; no text tells.
    """
    unknown = [entry for entry in history.missing if entry.row and not entry.row.checksum]
    numbers: dict[int, list[Entry]] = {}
    slugs: dict[str, list[Entry]] = {}
    for entry in history.pending if unknown else ():
        if (number := number_of(entry.stem)) is not None:
            numbers.setdefault(number, []).append(entry)
        slugs.setdefault(slug_of(entry.stem), []).append(entry)
    slugs.pop("", None)
    found = []
    for old in unknown:
        number = number_of(old.stem)
        by_number = numbers.get(number, []) if number is not None else []
        new = tuple(dict.fromkeys((*by_number, *slugs.get(slug_of(old.stem), ()))))
        if new:
            found.append(Renamed(old, new, "number" if by_number else "words after its number"))
    return tuple(found)


def respelled(history: History) -> tuple[Renamed, ...]:
    """Applied migrations that no file has the exact name of, and the files that are meant.

    As in `bridge.ledger.reconcile`, which refuses them; whatever their text is. At least one of the
    files is pending, and those come first; others that are meant as well are recorded by
    themselves.
    """
    files = {entry.stem: entry for entry in history.entries if entry.file is not None}
    # What a squash would do in its place may have been done under such a name.
    files |= {entry.stem: entry for entry in history.hidden}
    names = Names.of(files)
    found = []
    for old in history.missing if history.pending else ():
        assert old.row is not None  # noqa: S101 - applied ones have a row
        meant = [files[stem] for stem in names.meant_by(old.row.name)]
        meant.sort(key=lambda entry: entry.row is not None)
        if meant and meant[0].row is None:
            found.append(Renamed(old, tuple(meant)))
    return tuple(found)


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
        file=file,
    )


def has_checksum(row: Row | None) -> bool:
    """Return whether it is recorded what was applied, by bridge or in another team's way."""
    if row is None:
        return False
    return row.form is not None or _OURS.fullmatch(row.checksum or "") is not None


def lacks_checksum(entry: Entry) -> bool:
    """Return whether an applied file has a row, and nothing tells what was applied."""
    row = entry.row
    return entry.file is not None and not has_checksum(row) and not (row and row.unrecorded)


def has_text_of(row: Row | None, file: PlainFile) -> bool:
    """Return whether it is recorded that the present text of this file was applied.

    Raises FilesError if it cannot be read.
    """
    return row is not None and has_checksum(row) and _has(file, row, PlainFile.has)


def _has(file: PlainFile, row: Row, has: Has) -> bool:
    then = row.checksum or ""
    return has(file, then) if row.form is None else row.form.of(file.data()) == then


def _is_as_applied(file: PlainFile, row: Row | None, has: Has) -> bool:
    try:
        return row is not None and _has(file, row, has)
    except FilesError:
        return False


def _now(file: PlainFile, form: ChecksumForm | None, checksum: Checksum) -> str | None:
    try:
        return checksum(file) if form is None else form.of(file.data())
    except FilesError:
        return None
