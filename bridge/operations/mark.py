"""`eai migrate mark`: record one migration as applied without running it, or forget one.

`stamp` says it of a migration and all before it; this says it of one. It is the way on where only a
person knows whether a migration has run on this database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.alembic.commands import in_place_of
from bridge.alembic.invocation import Invocation
from bridge.alembic.revision_names import as_revision, unknown_revision
from bridge.database.sending import send
from bridge.errors import UsageError
from bridge.ledger import sql
from bridge.ledger.catalog import look_up_layout
from bridge.ledger.definition import ensure_ledger, widen_version_table
from bridge.ledger.drift import maybe_renamed, row_of
from bridge.ledger.history import NO_FILE, Entry, History, build_history
from bridge.ledger.lacking_columns import no_checksums, unrecorded_checksums
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.records import (
    amend,
    record_all,
    record_applied,
    record_unapplied,
    set_pointer,
)
from bridge.ledger.refused import refused
from bridge.operations.asked import record_if_agreed
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from bridge.alembic.run import CommandRun
    from bridge.database.request import Request
    from bridge.ledger.state import State


@dataclass(frozen=True, slots=True)
class Marking:
    """The change to the two tables."""

    stem: str
    #: The change in words; empty where nothing is to be changed.
    what: str
    #: What the version table says then; None for nothing.
    pointer: str | None
    #: Rows of which a person has said that they are another migration.
    others: tuple[str, ...] = ()


#: Told the change; says whether to make it.
Agree = Callable[[Marking], bool]


def run_mark(request: Request, name: str, *, applied: bool, agree: Agree) -> Marking | None:
    """Record this migration as applied, or as not applied, if `agree` says so.

    `name` is a file or a row, or the beginning of one. Returns what was agreed to; None if it was
    not. With nothing to change nobody is asked. Raises UsageError for a name that means none,
    LedgerError where the ledger cannot be believed or written, TryAgain if it has changed
    meanwhile; nothing was changed then.
    """
    return in_place_of(
        Invocation(request=request),
        lambda run: record_if_agreed(
            run,
            lambda looking: _look(run, name, applied=applied, looking=looking),
            agree,
            lambda marking: _record(run, marking, applied=applied),
            changes=lambda marking: marking.what,
        ),
    )


def _look(run: CommandRun, name: str, *, applied: bool, looking: bool) -> Marking:
    """Find what would change, in a database whose records can be trusted and changed."""
    files, state, settings = run.script.files, run.read(), run.settings
    found = preflight(Command.MARK, files, state, settings, steps=())
    found.refuse()
    history = found.history
    entry = _entry(history, name, settings.folder)
    marking = _applying(history, entry) if applied else _forgetting(history, entry)
    if marking.others:
        others = [each for each in history.applied if each.stem in marking.others]
        preflight(Command.REPAIR, files, state, settings, steps=others, looking=looking).refuse()
        if (lacking := unrecorded_checksums(state)) is not None:
            raise refused([lacking])
    elif marking.what:
        steps, forgets = ([entry], []) if applied else ([], [entry])
        preflight(
            Command.MARK, files, state, settings, steps=steps, forgets=forgets, looking=looking
        ).refuse()
    return marking


def _entry(history: History, name: str, folder: str) -> Entry:
    stems = {entry.stem for entry in history.entries}
    entry = history.by_revision.get(as_revision(name, stems))
    if entry is not None:
        return entry
    fitting = [each for each in history.entries if each.stem.startswith(name)]
    if len(fitting) != 1:
        raise UsageError(f"{unknown_revision(name, stems, folder)}. Nothing was changed.")
    return fitting[0]


def _applying(history: History, entry: Entry) -> Marking:
    if entry.row is not None:
        return Marking(entry.stem, "", history.pointer)
    what = "recorded as applied, without running it"
    return Marking(entry.stem, what, entry.revision)


def _forgetting(history: History, entry: Entry) -> Marking:
    if entry.row is None:
        # It is pending already; what may be said is that no row is it under another name.
        unsure = [each for each in maybe_renamed(history) if entry in each.new]
        others = tuple(each.old.stem for each in unsure)
        files = dict.fromkeys((entry.stem, *(new.stem for each in unsure for new in each.new)))
        than = f" than {', '.join(files)}" if len(files) > 1 else ""
        what = f"pending: {', '.join(others)} is another migration{than}" if others else ""
        return Marking(entry.stem, what, history.pointer, others)
    left = [each.row for each in history.applied if each is not entry and each.row]
    pointer = build_history([], left).pointer
    gone = "" if entry.file else " (its file is gone)"
    if entry.replaces:
        gone = f", with the {counted(len(entry.replaces), 'migration')} that it replaces"
    what = f"recorded as not applied{gone}, so that the next run applies it"
    return Marking(entry.stem, what if entry.file else f"forgotten{gone}", pointer)


def _record(run: CommandRun, marking: Marking, *, applied: bool) -> None:
    connection, ledger, state = run.connection, run.ledger, run.read()
    history = preflight(Command.MARK, run.script.files, state, run.settings, steps=()).history
    layout = ensure_ledger(connection, ledger).knowing(state.layout)
    entry = next(each for each in history.entries if each.stem == marking.stem)
    if state.imported is not None:
        record_all(connection, ledger, layout, state.imported.rows)
    if marking.others:
        _set_apart(run, state, marking.others)
        return
    if applied and entry.file is not None:
        row = replace(row_of(entry.file), key=state.key(entry.stem))
        rows = state.replaced_rows(entry.stem, entry.replaces)
        if rows:
            send(connection, *sql.insert_replaced(ledger, layout, rows))
        record_applied(connection, ledger, layout, row)
    else:
        keys = [state.key(name) for name in (entry.stem, *entry.replaces)]
        record_unapplied(connection, ledger, layout, keys)
    if state.pointer_table is not None:  # else the next run makes it
        widen_version_table(connection, ledger, longest=len(marking.pointer or ""))
        set_pointer(connection, ledger, marking.pointer)


def _set_apart(run: CommandRun, state: State, stems: tuple[str, ...]) -> None:
    """Record that a person knows these rows: no file of the folder is one of them."""
    layout = look_up_layout(run.connection, run.ledger)
    if "checksum" not in layout.columns:
        raise refused([no_checksums(state, layout)])  # somebody holds the table
    for stem in stems:
        amend(run.connection, run.ledger, layout, state.key(stem), checksum=NO_FILE)
