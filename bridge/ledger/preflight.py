"""Decide what may run: the one place that does, for every command.

`preflight` takes what the folder and the database hold, and returns the history of the database,
what is refused and what a person should know. It reads files, and neither asks nor changes a
database. What a command does with a refusal is the command's matter: a run raises it, `status`
shows it, and what is the way on (`repair`, `mark`, `stamp`) is not held up by what it corrects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bridge.errors import FilesError, LedgerError
from bridge.files.numbering import order_disagreements
from bridge.files.stems import revision_id
from bridge.findings import Finding, Severity
from bridge.ledger.drift import changed, lacks_checksum, maybe_renamed, renamed
from bridge.ledger.history import Entry, History
from bridge.ledger.key_columns import named
from bridge.ledger.lacking_columns import drift_unrecorded
from bridge.ledger.limits import limits
from bridge.ledger.messages import files as file_messages
from bridge.ledger.messages import names as name_messages
from bridge.ledger.messages.outcomes import failed_row
from bridge.ledger.messages.squashes import partly_replaced
from bridge.ledger.outcomes import not_done
from bridge.ledger.reconcile import Agreement, history_of, reconcile, reconcile_for_stamp
from bridge.ledger.refused import refused
from bridge.ledger.rights import read_only, something_to_run

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.state import State


class Command(StrEnum):
    """The kind of command, which decides what may run."""

    #: Anything that applies pending files, or shows what that would do.
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    #: Recording without running: what is lost is said anew.
    STAMP = "stamp"
    #: The same, and forgetting whatever is not in the folder.
    PURGE = "purge"
    #: Recording the names and the texts of today.
    REPAIR = "repair"
    #: Recording, or forgetting, one migration.
    MARK = "mark"
    #: Telling what is there. Nothing is refused but what makes nothing true.
    LOOK = "look"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The result of preflight: the history, and the findings."""

    #: The migrations in the order of this database.
    history: History
    #: What the version table is to say before the command begins.
    pointer: str | None
    #: Whether it has to be changed to say that.
    moves_pointer: bool
    refusals: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    #: Applied files that were changed since, as far as the command has to know.
    changed: tuple[Entry, ...] = ()
    #: What the files and the records agree on; None where that is refused.
    agreement: Agreement | None = None

    def refuse(self) -> None:
        """Raise what is refused, all of it; LedgerError but for a connection that only reads."""
        if self.refusals:
            raise refused(self.refusals)


_OF_FILES: Final = frozenset(
    {"breaking", "late", "maybe-renamed", "renamed", "changed", "partly-replaced"}
)
#: Each refusal that a command does not mind: it is the way on, or has nothing to do with it.
_PASSES: Final[dict[Command, frozenset[str]]] = {
    Command.UPGRADE: frozenset(),
    Command.DOWNGRADE: frozenset(
        {"breaking", "late", "maybe-renamed", "no-checksum", "order", "partly-replaced"}
    ),
    Command.STAMP: frozenset({"breaking", "late", "maybe-renamed", "partly-replaced"}),
    Command.PURGE: _OF_FILES,
    Command.REPAIR: _OF_FILES | {"failed-row", "order"},
    Command.MARK: _OF_FILES | {"failed-row", "order"},
    Command.LOOK: _OF_FILES | {"failed-row", "order"},
}

#: Those that run files.
_RUNS: Final = frozenset({Command.UPGRADE, Command.DOWNGRADE})
#: Those that record migrations as applied.
_RECORDS: Final = frozenset({Command.UPGRADE, Command.STAMP, Command.PURGE, Command.MARK})
#: What else they do with the ledger and with the version table, which they may write anew.
_ALSO: Final[dict[Command, tuple[frozenset[str], frozenset[str]]]] = {
    Command.PURGE: (frozenset(), frozenset({"INSERT", "DELETE"})),
    Command.REPAIR: (frozenset({"UPDATE"}), frozenset({"INSERT", "DELETE"})),
    Command.MARK: (frozenset(), frozenset({"INSERT", "DELETE"})),
}
#: What cannot be done on a connection that only reads, where no file is to run.
BOOKKEEPING: Final = "and its bookkeeping tables would have to be written"


def preflight(
    command: Command,
    files: Sequence[PlainFile],
    state: State,
    settings: Settings,
    *,
    steps: Sequence[Entry] | None = None,
    forgets: Sequence[Entry] = (),
    looking: bool = False,
    agreed: Agreement | None = None,
) -> Preflight:
    """Find what is refused, and what a person should know, before `command`.

    `steps` are the migrations that it is about to run, to revert or to record; all pending ones
    for an upgrade, if None. `forgets` are those whose rows it removes without reverting them. With
    `looking` none of that is about to happen: a connection that only reads is then no matter.
    `agreed` is the agreement that was found before, of the same files and the same state.
    Reads the files. Raises LedgerError only if nobody can tell what the ledger calls the
    migrations.
    """
    state = named(files, state)
    try:
        agreement = agreed or _agreed(command, files, state)
    except LedgerError as error:
        if not error.findings:
            raise
        history = history_of(files, state)
        return Preflight(
            history=history,
            pointer=history.pointer,
            moves_pointer=False,
            refusals=error.findings,
            changed=_drifted(command, history, settings, looking=looking),
        )
    history = agreement.history
    entries = history.pending if steps is None else tuple(steps)
    drift = _drifted(command, history, settings, looking=looking or bool(entries))
    of_files = _of_files(command, state, history, settings, entries, drift=drift)
    ordered = state.rows or settings.order is not None or not entries
    found = [
        *([] if ordered else _of_order(files)),
        *agreement.warnings,
        *_of_outcomes(state, history),
        *_of_absent_files(history),
        *(of_files if command is not Command.LOOK else ()),
        *_of_recording(
            command, state, settings, entries, forgets, history=history, looking=looking
        ),
    ]
    unheeded = _PASSES[command] | _superseded(found)
    found = [each for each in found if each.id not in unheeded]
    refusals = tuple(each for each in found if each.severity is Severity.ERROR)
    warnings = [each for each in found if each.severity is Severity.WARNING]
    return Preflight(
        history=history,
        pointer=agreement.pointer,
        moves_pointer=agreement.moves_pointer,
        refusals=refusals,
        warnings=tuple(_after(refusals, warnings)),
        changed=drift,
        agreement=agreement,
    )


def _agreed(command: Command, files: Sequence[PlainFile], state: State) -> Agreement:
    if command in {Command.STAMP, Command.PURGE}:
        return reconcile_for_stamp(files, state, purge=command is Command.PURGE)
    return reconcile(files, state)


def _drifted(
    command: Command, history: History, settings: Settings, *, looking: bool
) -> tuple[Entry, ...]:
    """Applied files that were changed; every one is read, so only where it matters."""
    wanted = settings.drift == "refuse" or (looking and command is Command.UPGRADE)
    return changed(history) if wanted and "changed" not in _PASSES[command] else ()


def _superseded(found: Sequence[Finding]) -> frozenset[str]:
    """Return the findings of which another one says the same, and more."""
    unrecorded = any(each.id == "drift-unrecorded" for each in found)
    return frozenset({"no-checksum"}) if unrecorded else frozenset()


def _of_files(
    command: Command,
    state: State,
    history: History,
    settings: Settings,
    entries: Sequence[Entry],
    *,
    drift: Sequence[Entry],
) -> Iterator[Finding]:
    for each in renamed(history):
        yield name_messages.same_text(state, each.old, each.new[0])
    for each in maybe_renamed(history):
        yield name_messages.maybe_renamed(state, each.old, each.new, same=each.same)
    yield from _of_squashes(history)
    if history.breaking:
        yield file_messages.breaking(state, history.breaking)
    if settings.drift == "refuse":
        unknown = [entry for entry in history.applied if lacks_checksum(entry)]
        if unknown and entries:
            yield file_messages.no_checksum(unknown)
        if drift:
            yield file_messages.changed_refusal(drift)
    elif drift:
        yield file_messages.changed_warning(drift)
    yield from _late(history, settings, entries)
    for entry in entries if command is not Command.REPAIR else ():
        try:
            # What nobody has written yet may be recorded, and not run.
            _ = entry.file and (entry.file.runnable if command in _RUNS else entry.file.header)
        except FilesError as error:
            yield file_messages.unreadable(entry, str(error))


def _of_squashes(history: History) -> Iterator[Finding]:
    """Find squashes that can neither run nor be recorded here."""
    for stem, gone in history.replaced.gone.items():
        entry = history.by_revision[revision_id(stem)]
        applied = [each.stem for each in history.applied if each.stem in entry.replaces]
        yield partly_replaced(entry, applied, gone)


def _of_outcomes(state: State, history: History) -> Iterator[Finding]:
    """Find rows of files that say that they did not succeed."""
    entries = {entry.stem: entry for entry in history.applied if entry.file is not None}
    for found in not_done(state):
        if found.row.version in entries:
            yield failed_row(state, entries[found.row.version], found)


def _late(history: History, settings: Settings, entries: Sequence[Entry]) -> Iterator[Finding]:
    behind = {entry.stem for entry in history.late}
    late = [entry for entry in entries if entry.stem in behind]
    if late:
        last = history.furthest.stem if history.furthest else ""
        refuses = settings.out_of_order == "refuse"
        yield (
            file_messages.late_refusal(late, last)
            if refuses
            else file_messages.late_warning(late, last)
        )


def _of_order(files: Sequence[PlainFile]) -> Iterator[Finding]:
    """Find that nobody can tell in which order files are meant to run, where none has run yet."""
    if pairs := order_disagreements(files):
        yield file_messages.order_unclear(*pairs[0])


def _of_recording(
    command: Command,
    state: State,
    settings: Settings,
    entries: Sequence[Entry],
    forgets: Sequence[Entry],
    *,
    history: History,
    looking: bool,
) -> Iterator[Finding]:
    """Find what could run, or be reverted, but not be recorded."""
    session = state.session
    if looking and (session.standby or session.reads_by_default):
        return  # where nothing is written, nobody needs to know what could not be
    if command is Command.LOOK or not (entries or forgets):
        return
    if session.read_only and not looking:
        yield read_only(state, something_to_run(entries) if command in _RUNS else BOOKKEEPING)
        return
    recorded = [*_recorded(state, history, entries)] if command in _RECORDS else ()
    forgotten = entries if command is Command.DOWNGRADE else forgets
    ledger, pointer = _ALSO.get(command, ((), ()))
    yield from limits(state, recorded, forgotten, ledger=ledger, pointer=pointer)
    if settings.drift == "refuse" and recorded:
        found = drift_unrecorded(state)
        if found is not None:
            yield found


def _recorded(state: State, history: History, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Return what gets a row: with a squash, all that it replaces and that has none."""
    for entry in entries:
        for row in state.replaced_rows(entry.stem, entry.replaces):
            if row.version not in state.recorded:
                yield Entry(row.revision, row.version, None, None)
        shared = state.shares_row(entry.stem, entry.replaces)
        if not (shared and entry.stem in history.replaced.only_recorded):
            yield entry


def _of_absent_files(history: History) -> Iterator[Finding]:
    shut_out = set(history.breaking)
    for entries, sentence in (
        (history.holes, file_messages.missing),
        (history.newer, file_messages.newer),
    ):
        shown = [entry for entry in entries if entry not in shut_out]
        if shown:
            yield sentence(shown)


def _after(refusals: Sequence[Finding], warnings: Sequence[Finding]) -> Iterator[Finding]:
    """Return the warnings as they read where something is refused: nothing goes on."""
    goes_on = {"file-missing", "newer", "late", "pointer-moved", "rerun"}
    for each in warnings:
        yield replace(each, next="") if refusals and each.id in goes_on else each
