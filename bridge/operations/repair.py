"""`eai migrate repair`: make the ledger say what is in the folder, where only a person can tell.

It records checksums that are missing, accepts files that were changed after they were applied,
follows files that were renamed, and writes names in the form of the others. It runs no migration
and changes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bridge.alembic.commands import in_place_of
from bridge.alembic.invocation import Invocation
from bridge.alembic.run import CommandRun
from bridge.database.request import Request
from bridge.ledger.definition import adopt, ensure_ledger, widen_version_table
from bridge.ledger.history import Row
from bridge.ledger.lacking_columns import no_checksums, unrecorded_checksums
from bridge.ledger.preflight import Command, preflight
from bridge.ledger.reconcile import history_of
from bridge.ledger.records import amend, set_pointer
from bridge.ledger.refused import refused
from bridge.operations.asked import record_if_agreed
from bridge.operations.repair_plan import Change, planned, repaired

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
    done = in_place_of(
        Invocation(request=request),
        lambda run: record_if_agreed(
            run,
            lambda looking: _look(run, wanted, looking=looking),
            agree,
            lambda changes: _record(run, changes),
            changes=lambda changes: changes,
        ),
    )
    return done is not None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The repair that a person has asked for."""

    #: Files or rows; all of them, if it is empty.
    names: tuple[str, ...]
    adopt: bool


def _look(run: CommandRun, wanted: _Wanted, *, looking: bool) -> tuple[Change, ...]:
    """Find what there is to repair, in a database that is otherwise in order and can be changed."""
    files, state = run.script.files, run.read()
    if wanted.adopt and not state.adopted:
        adopted = replace(state, adopted=True)
        applied = history_of(files, adopted).applied
        preflight(
            Command.REPAIR, files, adopted, run.settings, steps=applied, looking=looking
        ).refuse()
        return (Change(state.ledger, state.ledger, None, _ADOPTED),)
    changes = planned(files, state, names=wanted.names)
    after, stems = repaired(state, changes), {change.new_stem for change in changes}
    rows = [each for each in history_of(files, after).applied if each.stem in stems]
    found = preflight(Command.REPAIR, files, after, run.settings, steps=rows, looking=looking)
    # What was not asked for stays as it is, and stays refused where it was.
    left = [f for f in found.refusals if not (wanted.names and f.id == "names-differ")]
    if any(change.checksum for change in changes) and not state.layout.keeps_checksums:
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
        adopt(connection, ledger, state.table.comment if state.table else None)
        return
    pointer = history_of(run.script.files, repaired(state, changes)).pointer
    layout = ensure_ledger(connection, ledger).knowing(state.layout)
    if any(change.checksum for change in changes) and not layout.keeps_checksums:
        raise refused([no_checksums(state, layout)])  # somebody holds the table
    files = {file.stem: file for file in run.script.files}
    for change in _in_order(changes):
        key = change.new_key
        if key is None and change.new_stem != change.stem:
            key = state.new_key(change.new_stem)
        row = Row(change.new_stem, file=files.get(change.new_stem))
        renamed = key is not None
        amend(
            connection,
            ledger,
            layout,
            change.key or state.key(change.stem),
            new_key=key,
            checksum=change.checksum if "checksum" in layout.columns else None,
            breaking=change.breaking if "breaking" in layout.columns else None,
            about=layout.about(row, renamed=renamed) if renamed or change.checksum else None,
        )
    if state.pointers and state.pointers != (pointer,):
        widen_version_table(connection, ledger, longest=len(pointer or ""))
        set_pointer(connection, ledger, pointer)


def _in_order(changes: Sequence[Change]) -> list[Change]:
    """Sort the changes: a row gets a name only after the row that has it got another."""
    left, ordered = {change.stem: change for change in changes}, []
    while left:
        free = [c for c in left.values() if c.new_stem == c.stem or c.new_stem not in left]
        ordered += [left.pop(change.stem) for change in free or list(left.values())]
    return ordered
