"""What the ledger, the pointer and the folder say together, and what follows from it.

`schema_migrations` records the set of applied migrations, `alembic_version` points at one
revision. They can disagree: a person changed rows, the old runner was here, a table was lost.
This module decides; it reads and writes nothing. What it says is in `bridge.disagreements`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge import disagreements as say
from bridge.line import Line, build_line, in_applied_order
from bridge.plainfile import PlainFile, name_keys
from bridge.state import State, named

__all__ = ["Agreement", "State", "line_of", "reconcile", "reconcile_for_stamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The line of this database, and what a person should hear about it."""

    line: Line
    #: What the version table is to say before the command begins.
    pointer: str | None
    #: Whether it has to be changed to say that.
    moves_pointer: bool
    warnings: tuple[str, ...] = ()


def line_of(files: Sequence[PlainFile], state: State) -> Line:
    """The line of the database in this state, whether or not its records agree."""
    state = named(files, state)
    rows = in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)
    return build_line(files, rows)


def reconcile(files: Sequence[PlainFile], state: State) -> Agreement:
    """Decide which line this database has.

    Raises LedgerError where going on could run a migration twice or skip one; the error names
    the ways on.
    """
    state = named(files, state)
    if not files and (state.rows or (state.ours and state.pointers)):
        raise say.empty_folder(state)
    _refuse_twins(files, state)
    _refuse_renames(files, state)
    line = line_of(files, state)
    unknown = tuple(pointer for pointer in state.pointers if pointer not in line.by_revision)
    if state.rows and not state.ours and all(entry.file is None for entry in line.applied):
        raise say.foreign_ledger(state)
    if unknown and not state.ours:
        raise say.foreign_version_table(state, unknown)
    if unknown and not state.rows:
        raise say.lost_without_trace(state, unknown)
    if unknown:
        return _rows_win(line, say.drifted(state, unknown, line.pointer))
    if state.rows:
        return _with_rows(line, state)
    if state.pointers:
        return _without_rows(line, state)
    if not state.exists and state.elsewhere:
        raise say.elsewhere(state)
    return Agreement(line=line, pointer=None, moves_pointer=False)


def reconcile_for_stamp(files: Sequence[PlainFile], state: State, *, purge: bool) -> Agreement:
    """As `reconcile`, for the command that says what was applied, and so knows better.

    It is the way on where rows were lost, which `reconcile` refuses. With `purge` no disagreement
    is refused, because whatever is not in the folder is forgotten.
    """
    state = named(files, state)
    if purge:
        stems = {file.stem for file in files}
        rows = in_applied_order(state.rows, certain=state.certain, pointers=state.pointers)
        line = build_line(files, [row for row in rows if row.version in stems])
        return Agreement(line=line, pointer=None, moves_pointer=False)
    line = line_of(files, state)
    if state.rows or not state.pointers or not line.by_revision.keys() >= set(state.pointers):
        return reconcile(files, state)
    # The rows are gone: where the pointer stands is all that there is to start from.
    pointer = _furthest(line, state.pointers)
    return Agreement(line=line, pointer=pointer, moves_pointer=len(state.pointers) > 1)


def _with_rows(line: Line, state: State) -> Agreement:
    if state.pointers == (line.pointer,):
        return Agreement(line=line, pointer=line.pointer, moves_pointer=False)
    if not state.pointers:
        return _rows_win(line)
    return _rows_win(line, say.moved(state, line.pointer))


def _without_rows(line: Line, state: State) -> Agreement:
    """The pointer says that something was applied, and no row says what."""
    first = line.entries[0].revision
    if state.exists and state.pointers == (first,):
        return _rows_win(line, say.removed(state, first))
    raise say.lost(state, _furthest(line, state.pointers))


def _rows_win(line: Line, *warnings: str) -> Agreement:
    return Agreement(line=line, pointer=line.pointer, moves_pointer=True, warnings=warnings)


def _furthest(line: Line, pointers: Sequence[str]) -> str:
    return next(e.revision for e in reversed(line.entries) if e.revision in pointers)


def _refuse_twins(files: Sequence[PlainFile], state: State) -> None:
    """Two rows with one revision id: Alembic could not tell which of them is meant."""
    stems = {file.stem for file in files}
    seen: dict[str, str] = {}
    for row in state.rows:
        other = seen.setdefault(row.revision, row.version)
        if other != row.version:
            raise say.twins(state, other, row.version, row.version if other in stems else other)


def _refuse_renames(files: Sequence[PlainFile], state: State) -> None:
    """A row and a file that differ only in spelling are one migration under two names."""
    stems = {file.stem for file in files}
    recorded = {row.version for row in state.rows}
    orphans = {
        key: row.version
        for row in state.rows
        if row.version not in stems
        for key in name_keys(row.version)
    }
    for file in files if orphans else ():
        old = next((orphans[key] for key in name_keys(file.stem) if key in orphans), None)
        if old is not None and file.stem not in recorded:
            raise say.renamed(state, old, file.stem)
