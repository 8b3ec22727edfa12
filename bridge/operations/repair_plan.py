"""List what there is to repair in a ledger. Data in, data out: it reads files, no database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridge.errors import FilesError, LedgerError, UsageError
from bridge.files.plain_file import PlainFile
from bridge.files.stems import revision_id
from bridge.ledger.drift import (
    Renamed,
    changed,
    has_checksum,
    has_text_of,
    lacks_checksum,
    maybe_renamed,
    renamed,
    respelled,
)
from bridge.ledger.history import Entry, History, Row
from bridge.ledger.reconcile import history_of
from bridge.ledger.state import State


@dataclass(frozen=True, slots=True)
class Change:
    """The change to the row of one migration."""

    #: The migration, by the name that is recorded.
    stem: str
    #: What it is called now, if that is something else.
    new_stem: str
    #: The checksum to record; None if the one recorded is right.
    checksum: str | None
    #: The change in words.
    what: str
    #: Whether it is breaking, to be recorded with the text; None if what is recorded is right.
    breaking: bool | None = None
    #: What the ledger calls it, and is to call it; None where that stays.
    key: str | None = None
    new_key: str | None = None


def planned(
    files: Sequence[PlainFile], state: State, *, names: Collection[str] = ()
) -> tuple[Change, ...]:
    """Find what there is to repair; `state` is a named one. Reads the files that are applied.

    With `names`, only for these files or rows; a file that may be one that was recorded without a
    checksum is taken for it only then. Raises LedgerError where several files may be the one that
    was renamed, and UsageError for a name of which there is nothing to repair.
    """
    history = history_of(files, state)
    moved = {each.old.stem: each for each in (*respelled(history), *renamed(history))}
    if names:
        asked = _asked({each.old.stem: each for each in maybe_renamed(history)} | moved, names)
        taken = {entry.stem for each in asked.values() for entry in each.new}
        left = {s: e for s, e in moved.items() if not taken & {new.stem for new in e.new}}
        moved = left | asked
    new = _matched(moved.values(), names)
    changes = [_rename(old, entry, state) for old, entry in new]
    changes += _chained(history, new, state)
    handled = {change.stem for change in changes}
    changes += [
        _accept(entry, "changed after it was applied: the present text is accepted")
        for entry in changed(history)
        if entry.stem not in handled
    ]
    changes += [
        _accept(entry, "adopted without a checksum: that of the present text is recorded")
        for entry in history.applied
        if lacks_checksum(entry)
    ]
    changes = _in_form(changes, history, state)
    if names:
        changes = _restricted(changes, names)
        known = {name for each in changes for name in (each.stem, each.new_stem, each.key)}
        if nothing := [name for name in names if name not in known]:
            raise UsageError(
                f"There is nothing to repair about {', '.join(nothing)}. Nothing was repaired. "
                "Names are those of files without .py, or of rows. What there is lists: "
                "eai migrate repair --dry-run"
            )
    return tuple(sorted(changes, key=lambda change: change.stem))


def _restricted(changes: Sequence[Change], names: Collection[str]) -> list[Change]:
    """Return the changes of these names, and what must go first: who still has the new name."""
    by_stem = {each.stem: each for each in changes}
    chosen = {e.stem for e in changes if {e.stem, e.new_stem, e.key} & {*names}}
    for stem in list(chosen):
        in_the_way = by_stem.get(by_stem[stem].new_stem)
        while in_the_way is not None and in_the_way.stem not in chosen:
            chosen.add(in_the_way.stem)
            in_the_way = by_stem.get(in_the_way.new_stem)
    return [each for each in changes if each.stem in chosen]


def _asked(moved: Mapping[str, Renamed], names: Collection[str]) -> dict[str, Renamed]:
    """Return those that a person has named by the row, or else by the file.

    A row and a file that are named together belong together, whatever other row may be that file.
    """
    asked = {stem: each for stem, each in moved.items() if {stem, _recorded(each.old)} & {*names}}
    left = {*names} - {entry.stem for each in asked.values() for entry in each.new}
    return asked | {
        stem: each for stem, each in moved.items() if left & {entry.stem for entry in each.new}
    }


def _is_named(each: Renamed, names: Collection[str]) -> bool:
    known = {each.old.stem, _recorded(each.old), *(entry.stem for entry in each.new)}
    return bool(known & {*names})


def _recorded(entry: Entry) -> str:
    return entry.row.name if entry.row else entry.stem


def _matched(moved: Collection[Renamed], names: Collection[str]) -> list[tuple[Entry, Entry]]:
    """Match each migration with the one file that it is now; a person may have named which.

    With names, what else cannot be told apart is left alone.
    """
    pairs = []
    for each in moved:
        if names and not _is_named(each, names) and not _is_certain(each, moved):
            continue
        chosen = [entry for entry in each.new if entry.stem in names and entry.row is None]
        one = replace(each, new=tuple(chosen)) if len(chosen) == 1 else each
        pairs.append((each.old, _only(one, moved)))
    return pairs


def _chained(history: History, moved: Sequence[tuple[Entry, Entry]], state: State) -> list[Change]:
    """Find what else was renamed, where one migration's name was given to another's text.

    From each migration that has moved away, on to the one whose text its file has now.
    """
    # One whose own file is as it was has only been copied.
    displaced = [e for e in (*history.missing, *changed(history)) if has_checksum(e.row)]
    changes: list[Change] = []
    seen = {old.stem for old, _ in moved}
    for old, _ in moved:
        freed: Entry | None = old
        while freed is not None:
            name = freed
            found = [
                Renamed(each, (name,))
                for each in displaced
                if each.stem not in seen and _has_text_of(each, name)
            ]
            freed = None
            if found:
                _only(found[0], found)
                freed = found[0].old
                seen.add(freed.stem)
                changes.append(_rename(freed, name, state))
    return changes


def _has_text_of(entry: Entry, other: Entry) -> bool:
    """Return whether the text of the other's file was applied as this migration."""
    with suppress(FilesError):
        return other.file is not None and has_text_of(entry.row, other.file)
    return False


def _in_form(changes: list[Change], history: History, state: State) -> list[Change]:
    """Add the rows whose name is not written as all others are."""
    keys = state.keys
    stems = {change.stem for change in changes}
    for entry in history.applied:
        if keys is None or entry.row is None or entry.file is None or keys.fits(entry.row.name):
            continue
        if entry.row.unrecorded:
            continue
        key, new = entry.row.name, keys.key(entry.stem)
        if entry.stem in stems:
            changes = [
                replace(each, key=key, new_key=new, what=f"{each.what}, under the name {new}")
                if each.stem == entry.stem
                else each
                for each in changes
            ]
        else:
            what = f"recorded as {key!r}: written as the others are"
            changes.append(Change(entry.stem, entry.stem, None, what, key=key, new_key=new))
    return changes


def repaired(state: State, changes: Sequence[Change]) -> State:
    """Return the state that these changes lead to."""
    by_stem = {change.stem: change for change in changes}
    ids = {revision_id(each.stem): revision_id(each.new_stem) for each in changes}
    rows = []
    for row in state.rows:
        change = by_stem.get(row.version)
        if change is not None:
            checksum = change.checksum or row.checksum
            form = None if change.checksum else row.form
            breaking = row.breaking if change.breaking is None else change.breaking
            key = row.name if change.new_key is None else change.new_key
            row = replace(  # noqa: PLW2901
                row,
                version=change.new_stem,
                checksum=checksum,
                form=form,
                breaking=breaking,
                key=key,
            )
        rows.append(row)
    pointers = tuple(ids.get(pointer, pointer) for pointer in state.pointers)
    return replace(state, rows=tuple(rows), pointers=pointers)


def _rename(old: Entry, new: Entry, state: State) -> Change:
    checksum = new.file.checksum() if new.file else None
    key, new_key = _recorded(old), state.new_key(new.stem)
    what = f"renamed: it is {new.stem} now"
    change = Change(old.stem, new.stem, None, what, key=key, new_key=new_key)
    if new.file is not None and has_text_of(old.row, new.file):
        return change
    if old.row is not None and not has_checksum(old.row):
        what = f"taken for {new.stem}, whose present text is recorded"
    else:
        what = f"{what}, and its present text is accepted"
    return _accepting(replace(change, checksum=checksum, what=what), new.file, old.row)


def _accept(entry: Entry, what: str) -> Change:
    assert entry.file is not None  # noqa: S101 - only files are looked at
    change = Change(entry.stem, entry.stem, entry.file.checksum(), what)
    return _accepting(change, entry.file, entry.row)


def _accepting(change: Change, file: PlainFile | None, row: Row | None) -> Change:
    """Add what the text says of older releases, if that has changed.

    A text that could not be run any more says nothing of it.
    """
    recorded = row is not None and row.breaking
    breaking = recorded
    with suppress(FilesError):
        breaking = file is not None and file.header.breaking
    if breaking == recorded:
        return change
    text_says = "says breaking = True" if breaking else "is not breaking any more"
    return replace(change, breaking=breaking, what=f"{change.what}, which {text_says}")


def _is_certain(each: Renamed, all_of_them: Collection[Renamed]) -> bool:
    claims = [one for one in all_of_them if each.new[0] in one.new]
    return len(each.new) == len(claims) == 1


def _only(each: Renamed, all_of_them: Collection[Renamed]) -> Entry:
    """Return the one file that it can be, which no other can be."""
    claims = [one.old.stem for one in all_of_them if each.new[0] in one.new]
    names = " or ".join(f"{entry.stem}.py" for entry in each.new)
    if len(claims) == 1 and len(each.new) > 1:
        raise LedgerError(
            f"{claims[0]} can be {names}, and nobody can tell which is which. Nothing was "
            f"repaired. Say which it is, for example: eai migrate repair {each.new[0].stem}."
        )
    if len(claims) > 1:
        raise LedgerError(
            f"{' and '.join(claims)} can each be {names} under another name, and nobody can tell "
            "which is which. Nothing was repaired. Name the files back as they were, and rename "
            "one at a time."
        )
    return each.new[0]
