"""Reconcile the ledger, the pointer and the folder.

`schema_migrations` records the set of applied migrations, `alembic_version` points at one
revision. They can disagree: a person changed rows, the old runner was here, a table was lost.
This module decides; it reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.findings import Finding
from bridge.ledger.drift import respelled
from bridge.ledger.history import Entry, History, build_history
from bridge.ledger.key_columns import named
from bridge.ledger.messages import files as file_messages
from bridge.ledger.messages import names as name_messages
from bridge.ledger.messages import pointer as pointer_messages
from bridge.ledger.messages import tables as table_messages
from bridge.ledger.refused import refused
from bridge.ledger.state import State

#: What may be looked at without row level security hiding any of it.
_READ = ("SELECT",)

__all__ = ["Agreement", "State", "history_of", "reconcile", "reconcile_for_stamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The history of this database, and what a person should hear about it."""

    history: History
    #: What the version table is to say before the command begins.
    pointer: str | None
    #: Whether it has to be changed to say that.
    moves_pointer: bool
    warnings: tuple[Finding, ...] = ()


def history_of(files: Sequence[PlainFile], state: State) -> History:
    """Return the history of the database in this state, even if its records disagree."""
    state = named(files, state)
    return build_history(files, state.in_order)


def reconcile(files: Sequence[PlainFile], state: State) -> Agreement:
    """Decide which history this database has.

    Raises LedgerError where going on could run a migration twice or skip one; the error names
    the ways on.
    """
    agreement = _reconciled(files, named(files, state))
    if state.blank_pointer:
        agreement = replace(agreement, moves_pointer=True)
    return agreement


def _reconciled(files: Sequence[PlainFile], state: State) -> Agreement:
    refuse_unbelievable(state)
    if state.imported_unclear is not None:
        raise refused([state.imported_unclear])
    if not files and (state.rows or (state.ours and state.pointers)):
        raise refused([file_messages.empty_folder(state)])
    _refuse_twins(files, state)
    history = history_of(files, state)
    if spelled := misspelled(history, state):
        raise refused(spelled)
    pointers = tuple(map(history.stands_for, state.pointers))
    moved = pointers != state.pointers
    # One squash stands for many: what named any of them names it.
    state = replace(state, pointers=tuple(dict.fromkeys(pointers)))
    unknown = tuple(pointer for pointer in state.pointers if pointer not in history.by_revision)
    if _is_foreign(history, state):
        raise refused([table_messages.foreign_ledger(state)])
    if unknown and not state.ours:
        raise refused([pointer_messages.foreign_version_table(state, unknown)])
    if unknown and not state.rows:
        raise refused([pointer_messages.lost_without_trace(state, unknown)])
    if unknown:
        return _rows_win(history, pointer_messages.unknown(state, unknown, history.pointer))
    if state.rows:
        agreement = _with_rows(history, state)
        return replace(agreement, moves_pointer=agreement.moves_pointer or moved)
    if state.pointers:
        return _without_rows(history, state)
    _refuse_other_ledgers(state)
    return Agreement(history=history, pointer=None, moves_pointer=False)


def refuse_unbelievable(state: State) -> None:
    """Raise LedgerError where what was read may not be what is recorded, or not of this schema."""
    tables = (
        (state.ledger, state.table, "ledger_table"),
        (state.version_table, state.pointer_table, "version_table"),
    )
    for name, table, setting in tables:
        if table is None:
            continue
        if table.other_kind is not None:
            raise refused([table_messages.not_a_table(name, table, setting)])
        if state.schema is None and state.session.here not in {None, table.schema}:
            raise refused([table_messages.other_schema(state, table, name)])
    hiding = [(name, table) for name, table, _ in tables if table and table.hides(*_READ)]
    if hiding:
        raise refused([table_messages.hidden_rows(state, name, _READ) for name, _ in hiding])


def _refuse_other_ledgers(state: State) -> None:
    """Refuse if nothing is recorded here, and something is recorded in another place."""
    others = [each for each in state.elsewhere if each.filled or not state.exists]
    if others:
        raise refused([table_messages.in_other_schemas(state, others)])
    if state.other_table is not None:
        raise refused([table_messages.other_table(state)])


def _is_foreign(history: History, state: State) -> bool:
    """Return whether rows are there, and none of them is a file of this folder.

    In a ledger of bridge's own they may be a history that was squashed: then all files come after
    them, and none can have run here under its own name.
    """
    explained = history.replaced.explained
    known = any(entry.file or entry.stem in explained for entry in history.applied)
    if not state.rows or state.adopted or known:
        return False
    last = max(map(history.place, history.applied))
    return not state.ours or any(history.place(entry) < last for entry in history.pending)


def misspelled(history: History, state: State) -> list[Finding]:
    """Rows whose names are not those of pending files, and that a person would read as them.

    And rows that have the name of a file, but not in the form in which this ledger names all
    others, so that the runner that made it would run the file again.
    """
    found = [
        name_messages.names_differ(state, each.old.row.name, each.new)
        for each in respelled(history)
        if each.old.row is not None
    ]
    keys = state.keys
    in_form = {row.version for row in state.rows if keys is None or keys.fits(row.name)}
    files: dict[str, Entry] = {entry.stem: entry for entry in history.applied if entry.file}
    return found + [
        name_messages.names_differ(state, row.name, [files[row.version]])
        for row in state.rows
        if row.version in files and row.version not in in_form
    ]


def reconcile_for_stamp(files: Sequence[PlainFile], state: State, *, purge: bool) -> Agreement:
    """Reconcile for a stamp, which itself says what was applied.

    It is the way on where rows were lost, which `reconcile` refuses. With `purge` no disagreement
    is refused, because whatever is not in the folder is forgotten.
    """
    state = named(files, state)
    refuse_unbelievable(state)
    if purge:
        stems = {file.stem for file in files}.union(*replaced_by(files).values())
        kept = [row for row in state.in_order if row.version in stems]
        history = build_history(files, kept)
        return Agreement(history=history, pointer=None, moves_pointer=False)
    history = history_of(files, state)
    if state.rows or not state.pointers or not history.by_revision.keys() >= set(state.pointers):
        return reconcile(files, state)
    # The rows are gone: where the pointer stands is all that there is to start from.
    pointer = _furthest(history, state.pointers)
    return Agreement(history=history, pointer=pointer, moves_pointer=len(state.pointers) > 1)


def _with_rows(history: History, state: State) -> Agreement:
    if state.pointers == (history.pointer,):
        found = (pointer_messages.imported(state),) if state.imported else ()
        return Agreement(
            history=history, pointer=history.pointer, moves_pointer=False, warnings=found
        )
    if not state.pointers:
        return _rows_win(history)
    return _rows_win(history, pointer_messages.moved(state, history.pointer))


def _without_rows(history: History, state: State) -> Agreement:
    """Decide on a pointer that says that something was applied, where no row says what."""
    first = history.entries[0].revision
    if state.exists and state.pointers == (first,):
        return _rows_win(history, pointer_messages.removed(state, first))
    raise refused([pointer_messages.lost(state, _furthest(history, state.pointers))])


def _rows_win(history: History, *warnings: Finding) -> Agreement:
    return Agreement(
        history=history, pointer=history.pointer, moves_pointer=True, warnings=warnings
    )


def _furthest(history: History, pointers: Sequence[str]) -> str:
    return next(e.revision for e in reversed(history.entries) if e.revision in pointers)


def _refuse_twins(files: Sequence[PlainFile], state: State) -> None:
    """Refuse two rows with one revision id, which Alembic could not tell apart."""
    stems = {file.stem for file in files}
    seen: dict[str, str] = {}
    for row in state.rows:
        other = seen.setdefault(row.revision, row.version)
        if other != row.version:
            gone = row.version if other in stems else other
            raise refused([name_messages.twins(state, other, row.version, gone)])
