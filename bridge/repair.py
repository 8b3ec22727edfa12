"""`eai migrate repair`: make the ledger say what is in the folder, where only a person can tell.

It records checksums that are missing, accepts files that were changed after they were applied,
and follows files that were renamed. It runs no migration and changes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from bridge.drift import Renamed, changed, has_checksum, renamed, respelled
from bridge.errors import FilesError, LedgerError, TryAgain
from bridge.exclusive import exclusively
from bridge.layout import Layout
from bridge.line import Entry, Row
from bridge.migrator import alembic_here
from bridge.plainfile import PlainFile, revision_id
from bridge.reconcile import line_of, reconcile
from bridge.request import Request
from bridge.site import Site
from bridge.state import State

if TYPE_CHECKING:
    from bridge.revisions import PlainScriptDirectory


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


#: Told every change; says whether to make them.
Agree = Callable[[Sequence[Change]], bool]


def run_repair(request: Request, agree: Agree) -> bool:
    """Make the changes that `planned` finds, if `agree` says so; returns what it said.

    With nothing to change it is not asked, and the answer is True. No lock is held while it
    thinks. Raises LedgerError where ledger and folder disagree in a way that this does not mend,
    and TryAgain if something else changed them meanwhile; nothing was changed then.
    """
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    agreed: list[bool] = []
    request.attributes["bridge.instead"] = lambda site: agreed.append(_repair(site, agree))
    with alembic_here():
        config = request.alembic_config()
        script = cast("PlainScriptDirectory", ScriptDirectory.from_config(config))
        with EnvironmentContext(config, script):
            script.run_env()
    return agreed == [True]


def planned(files: Sequence[PlainFile], state: State) -> tuple[Change, ...]:
    """What there is to repair; `state` is a named one. Reads the files that are applied.

    Raises LedgerError where several files may be the one that was renamed.
    """
    line = line_of(files, state)
    moved = {each.old.stem: each for each in (*respelled(line), *renamed(line))}
    new = [_only(each, moved.values()) for each in moved.values()]
    renames = [_rename(each.old, entry) for each, entry in zip(moved.values(), new, strict=True)]
    accepted = [
        _accept(entry, "changed after it was applied: the present text is accepted")
        for entry in changed(line)
    ]
    adopted = [
        _accept(entry, "adopted without a checksum: that of the present text is recorded")
        for entry in line.applied
        if entry.file and not has_checksum(entry.row)
    ]
    return tuple(sorted((*renames, *accepted, *adopted), key=lambda change: change.stem))


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
            row = replace(  # noqa: PLW2901
                row, version=change.new_stem, checksum=checksum, breaking=breaking
            )
        rows.append(row)
    pointers = tuple(ids.get(pointer, pointer) for pointer in state.pointers)
    return replace(state, rows=tuple(rows), pointers=pointers)


def _repair(site: Site, agree: Agree) -> bool:
    changes = _look(site)
    if not site.external:
        site.connection.rollback()  # a person may think for long
    if not changes:
        return True
    if not agree(changes):
        return False
    with exclusively(
        site.connection,
        wait=site.settings.wait_for_lock,
        reporter=site.reporter,
        in_transaction=site.external,
    ):
        if _look(site) != changes:
            raise TryAgain(
                "The ledger or the files have changed since this was asked. Nothing was "
                "repaired. Run the same command again."
            )
        _record(site, changes)
        if not site.external:
            site.connection.commit()
    return True


def _look(site: Site) -> tuple[Change, ...]:
    """What there is to repair in a database that is in order otherwise."""
    files, state = site.script.files, site.read()
    changes = planned(files, state)
    reconcile(files, repaired(state, changes))
    return changes


def _record(site: Site, changes: Sequence[Change]) -> None:
    connection, ledger = site.connection, site.ledger
    state = site.read()
    pointer = reconcile(site.script.files, repaired(state, changes)).pointer
    layout = ledger.ensure(connection)
    if "checksum" not in layout.usable and any(change.checksum for change in changes):
        raise _no_checksums(ledger.name, layout)
    amend = partial(ledger.amend, connection, layout=layout)
    for change in changes:
        key = state.key(change.new_stem) if change.new_stem != change.stem else None
        breaking = change.breaking if "breaking" in layout.usable else None
        amend(state.key(change.stem), renamed=key, checksum=change.checksum, breaking=breaking)
    if state.pointers and state.pointers != (pointer,):
        ledger.widen_version_table(connection, longest=len(pointer or ""))
        ledger.point(connection, pointer)


def _no_checksums(table: str, layout: Layout) -> LedgerError:
    if "checksum" in layout.names:
        return LedgerError(
            f"The column checksum of {table} is of the type {layout.names['checksum']}, which does "
            "not hold bridge's checksums. Nothing was repaired. If it is not needed for something "
            f"else, type this once as the table's owner: ALTER TABLE {table} ALTER COLUMN checksum "
            "TYPE VARCHAR(64);"
        )
    return LedgerError(
        f"{table} has no column for bridge's checksums, and this role may not add it. Nothing was "
        f"repaired. Type this once as the table's owner: ALTER TABLE {table} ADD COLUMN checksum "
        "VARCHAR(64);"
    )


def _rename(old: Entry, new: Entry) -> Change:
    checksum = new.file.checksum() if new.file else None
    same = old.row is not None and old.row.checksum == checksum
    what = f"renamed: it is {new.stem} now"
    if same:
        return Change(old.stem, new.stem, None, what)
    accepted = f"{what}, and its present text is accepted"
    return _accepting(Change(old.stem, new.stem, checksum, accepted), new.file, old.row)


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


def _only(each: Renamed, all_of_them: Collection[Renamed]) -> Entry:
    """The one file that it can be, which no other can be."""
    claims = [one.old.stem for one in all_of_them if each.new[0] in one.new]
    if len(each.new) > 1 or len(claims) > 1:
        names = " or ".join(f"{entry.stem}.py" for entry in each.new)
        raise LedgerError(
            f"{' and '.join(claims)} can each be {names} under another name, and nobody can tell "
            "which is which. Nothing was repaired. Name the files back as they were, and rename "
            "one at a time."
        )
    return each.new[0]
