"""`eai migrate repair`: make the ledger say what is in the folder, where only a person can tell.

It records checksums that are missing, accepts files that were changed after they were applied,
follows files that were renamed, and writes names in the form of the others. It runs no migration
and changes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from bridge.alembic.commands import in_place_of
from bridge.alembic.invocation import Invocation
from bridge.alembic.run import CommandRun
from bridge.database.request import Request
from bridge.errors import FilesError, LedgerError, TryAgain, UsageError
from bridge.files.plain_file import PlainFile, revision_id
from bridge.ledger.drift import Renamed, changed, has_checksum, maybe_renamed, renamed, respelled
from bridge.ledger.findings import refused
from bridge.ledger.history import Entry, History, Row
from bridge.ledger.limits import no_checksums, unrecorded_checksums
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.reconcile import history_of
from bridge.ledger.state import State
from bridge.locking.exclusive import exclusively


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be changed in the row of one migration."""

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


#: Told every change; says whether to make them.
Agree = Callable[[Sequence[Change]], bool]


def run_repair(
    request: Request, agree: Agree, *, names: Collection[str] = (), adopt: bool = False
) -> bool:
    """Make the changes that `planned` finds, if `agree` says so; returns what it said.

    `names` are those of files or rows, to which it is restricted. With `adopt`, a ledger of which
    no row is a file is noted to be this project's. With nothing to change it is not asked, and the
    answer is True. No lock is held while it thinks. Raises LedgerError where ledger and folder
    disagree in a way that this does not mend, and TryAgain if something else changed them
    meanwhile; nothing was changed then.
    """
    wanted = _Wanted(tuple(names), adopt=adopt)
    return in_place_of(Invocation(request=request), lambda run: _repair(run, wanted, agree))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a person has asked for."""

    #: Files or rows; all of them, if it is empty.
    names: tuple[str, ...]
    adopt: bool


def planned(
    files: Sequence[PlainFile], state: State, *, names: Collection[str] = ()
) -> tuple[Change, ...]:
    """What there is to repair; `state` is a named one. Reads the files that are applied.

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
        if entry.file and not has_checksum(entry.row)
    ]
    changes = _in_form(changes, history, state)
    if names:
        changes = _restricted(changes, names)
        told = {name for each in changes for name in (each.stem, each.new_stem, each.key)}
        if nothing := [name for name in names if name not in told]:
            raise UsageError(
                f"There is nothing to repair about {', '.join(nothing)}. Nothing was repaired. "
                "Names are those of files without .py, or of rows; eai migrate repair --dry-run "
                "lists what there is."
            )
    return tuple(sorted(changes, key=lambda change: change.stem))


def _restricted(changes: Sequence[Change], names: Collection[str]) -> list[Change]:
    """The changes of these names, and what is in their way: a name that is still another's."""
    by_stem = {each.stem: each for each in changes}
    chosen = {e.stem for e in changes if {e.stem, e.new_stem, e.key} & {*names}}
    for stem in list(chosen):
        in_the_way = by_stem.get(by_stem[stem].new_stem)
        while in_the_way is not None and in_the_way.stem not in chosen:
            chosen.add(in_the_way.stem)
            in_the_way = by_stem.get(in_the_way.new_stem)
    return [each for each in changes if each.stem in chosen]


def _asked(moved: Mapping[str, Renamed], names: Collection[str]) -> dict[str, Renamed]:
    """Those that a person has named by the row; or by the file, if no row that is named may be it.

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
    """Each migration with the one file that it is now; a person may have named which.

    With names, what else cannot be told apart is left alone.
    """
    pairs = []
    for each in moved:
        if names and not _is_named(each, names) and not _is_certain(each, moved):
            continue
        told = [entry for entry in each.new if entry.stem in names and entry.row is None]
        one = replace(each, new=tuple(told)) if len(told) == 1 else each
        pairs.append((each.old, _only(one, moved)))
    return pairs


def _chained(history: History, moved: Sequence[tuple[Entry, Entry]], state: State) -> list[Change]:
    """What else was renamed where the name of one migration was given to the text of another.

    From each migration that has moved away, on to the one whose text its file has now.
    """
    # One whose own file is as it was has only been copied.
    displaced = [e for e in (*history.missing, *changed(history)) if has_checksum(e.row)]
    changes: list[Change] = []
    seen = {old.stem for old, _ in moved}
    for old, _ in moved:
        freed: Entry | None = old
        while freed is not None:
            text, name = _text_of(freed), freed
            found = [
                Renamed(each, (name,))
                for each in displaced
                if each.row and each.row.checksum == text and each.stem not in seen
            ]
            freed = None
            if found:
                _only(found[0], found)
                freed = found[0].old
                seen.add(freed.stem)
                changes.append(_rename(freed, name, state))
    return changes


def _text_of(entry: Entry) -> str | None:
    """The checksum of its file; None if there is none, or it cannot be read."""
    with suppress(FilesError):
        return entry.file.checksum() if entry.file else None
    return None


def _in_form(changes: list[Change], history: History, state: State) -> list[Change]:
    """The same, with rows whose name is not written as all others are."""
    keys = state.keys
    stems = {change.stem for change in changes}
    for entry in history.applied:
        if keys is None or entry.row is None or entry.file is None or keys.fits(entry.row.name):
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
    """The state that these changes lead to."""
    by_stem = {change.stem: change for change in changes}
    ids = {revision_id(each.stem): revision_id(each.new_stem) for each in changes}
    rows = []
    for row in state.rows:
        change = by_stem.get(row.version)
        if change is not None:
            checksum = change.checksum or row.checksum
            breaking = row.breaking if change.breaking is None else change.breaking
            key = row.name if change.new_key is None else change.new_key
            row = replace(  # noqa: PLW2901
                row, version=change.new_stem, checksum=checksum, breaking=breaking, key=key
            )
        rows.append(row)
    pointers = tuple(ids.get(pointer, pointer) for pointer in state.pointers)
    return replace(state, rows=tuple(rows), pointers=pointers)


def _repair(run: CommandRun, wanted: _Wanted, agree: Agree) -> bool:
    changes = _look(run, wanted)
    if not run.external:
        run.connection.rollback()  # a person may think for long
    if not changes:
        return True
    if not agree(changes):
        return False
    with exclusively(
        run.connection,
        wait=run.settings.wait_for_lock,
        reporter=run.reporter,
        in_transaction=run.external,
    ):
        if _look(run, wanted, looking=False) != changes:
            raise TryAgain(
                "The ledger or the files have changed since this was asked. Nothing was "
                "repaired. Run the same command again."
            )
        _record(run, changes)
        if not run.external:
            run.connection.commit()
    return True


def _look(run: CommandRun, wanted: _Wanted, *, looking: bool = True) -> tuple[Change, ...]:
    """What there is to repair in a database that is in order otherwise, and can be changed."""
    files, state = run.script.files, run.read()
    if wanted.adopt and not state.adopted:
        adopted = replace(state, adopted=True)
        applied = history_of(files, adopted).applied
        preflight(
            Command.REPAIR, files, adopted, run.settings, steps=applied, looking=looking
        ).refuse()
        return (Change(state.ledger, state.ledger, None, _ADOPTED),)
    changes = planned(files, state, names=wanted.names)
    mended, stems = repaired(state, changes), {change.new_stem for change in changes}
    rows = [each for each in history_of(files, mended).applied if each.stem in stems]
    found = preflight(Command.REPAIR, files, mended, run.settings, steps=rows, looking=looking)
    # What was not asked for stays as it is, and stays refused where it was.
    left = [f for f in found.refusals if not (wanted.names and f.id == "names-differ")]
    if any(change.checksum for change in changes):
        lacking = unrecorded_checksums(state)
        left += [lacking] if lacking is not None else []
    if left:
        raise refused(left)
    return changes


_ADOPTED = "noted to be this project's ledger, although none of its rows is a file"


def _record(run: CommandRun, changes: Sequence[Change]) -> None:
    connection, ledger = run.connection, run.ledger
    state = run.read()
    if changes[0].what == _ADOPTED:
        ledger.adopt(connection, state.table.comment if state.table else None)
        return
    pointer = history_of(run.script.files, repaired(state, changes)).pointer
    layout = ledger.ensure(connection)
    if "checksum" not in layout.columns and any(change.checksum for change in changes):
        raise refused([no_checksums(state, layout)])  # somebody holds the table
    for change in _in_order(changes):
        key = change.new_key
        if key is None and change.new_stem != change.stem:
            key = state.new_key(change.new_stem)
        ledger.amend(
            connection,
            change.key or state.key(change.stem),
            layout,
            renamed=key,
            checksum=change.checksum,
            breaking=change.breaking if "breaking" in layout.columns else None,
        )
    if state.pointers and state.pointers != (pointer,):
        ledger.widen_version_table(connection, longest=len(pointer or ""))
        ledger.point(connection, pointer)


def _in_order(changes: Sequence[Change]) -> list[Change]:
    """So that no name is given to a row before the one that has it has got another."""
    left, ordered = {change.stem: change for change in changes}, []
    while left:
        free = [c for c in left.values() if c.new_stem == c.stem or c.new_stem not in left]
        ordered += [left.pop(change.stem) for change in free or list(left.values())]
    return ordered


def _rename(old: Entry, new: Entry, state: State) -> Change:
    checksum = new.file.checksum() if new.file else None
    key, new_key = _recorded(old), state.new_key(new.stem)
    what = f"renamed: it is {new.stem} now"
    change = Change(old.stem, new.stem, None, what, key=key, new_key=new_key)
    if old.row is not None and old.row.checksum == checksum:
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
    """The same with what the text says of older releases, if that is something else.

    A text that could not be run any more says nothing of it.
    """
    recorded = row is not None and row.breaking
    breaking = recorded
    with suppress(FilesError):
        breaking = file is not None and file.header.breaking
    if breaking == recorded:
        return change
    told = "says breaking = True" if breaking else "is not breaking any more"
    return replace(change, breaking=breaking, what=f"{change.what}, which {told}")


def _is_certain(each: Renamed, all_of_them: Collection[Renamed]) -> bool:
    claims = [one for one in all_of_them if each.new[0] in one.new]
    return len(each.new) == len(claims) == 1


def _only(each: Renamed, all_of_them: Collection[Renamed]) -> Entry:
    """The one file that it can be, which no other can be."""
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
