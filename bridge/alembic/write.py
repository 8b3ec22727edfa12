"""Write to the database: an upgrade, a downgrade or a stamp, while the lock is held."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import to_tuple
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable

from bridge.alembic.announce import announce, tell
from bridge.alembic.record import RecordAtOnce
from bridge.alembic.run import CommandRun
from bridge.alembic.steps import steps_from, take_steps
from bridge.alembic.unrecord import Erasure, Forgetting
from bridge.alembic.version_table import Pointer, widened_version_table
from bridge.database.own_connection import guardable
from bridge.database.quoting import quote
from bridge.database.sending import send
from bridge.database.sqlstate import sqlstate
from bridge.errors import BridgeError, FilesError, LedgerError, UsageError
from bridge.execution.attempt import Attempt
from bridge.execution.retry import Retrying
from bridge.execution.runner import Runner
from bridge.execution.watcher import Watcher
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.ledger import sql
from bridge.ledger.access import creating
from bridge.ledger.definition import ensure_ledger, widen_version_table
from bridge.ledger.drift import has_text_of, row_of
from bridge.ledger.history import Entry, Row
from bridge.ledger.layout import Layout
from bridge.ledger.messages import records as record_messages
from bridge.ledger.messages.squashes import recorded_unrun
from bridge.ledger.preflight import BOOKKEEPING, Command, Preflight, preflight
from bridge.ledger.records import (
    confirm_pointer,
    record_all,
    record_applied,
    record_checksums,
    record_unapplied,
    set_pointer,
)
from bridge.ledger.refused import refused
from bridge.ledger.rights import read_only, rights
from bridge.ledger.state import Imported, State
from bridge.locking.exclusive import Right, exclusively
from bridge.reporting import events
from bridge.reporting.events import Direction

#: The SQLSTATE of a second row with one key.
_UNIQUE_VIOLATION = "23505"
_NOTHING_YET = object()


def write(run: CommandRun, ctx: MigrationContext) -> None:
    """Take the steps of Alembic's command, each recorded in its own transaction.

    Raises LockNotObtained, LedgerError or FilesError before anything was changed, and
    MigrationError after a migration was rolled back; those before it stay applied.
    """
    if not run.external:
        run.connection.rollback()
    retrying = Retrying(
        run.connection,
        timeout=run.settings.ddl_lock_timeout,
        tries=run.settings.ddl_lock_tries,
        reporter=run.reporter,
        lent=run.lent,
    )
    with (
        guardable(run.connection),
        exclusively(
            run.connection,
            wait=run.settings.wait_for_lock,
            reporter=run.reporter,
            in_transaction=run.external,
            pooler=run.settings.pooler,
            lent=run.lent,
        ) as right,
        Watcher().listening() as watcher,
        retrying.watching(),
    ):
        runner = Runner(
            connection=run.connection,
            reporter=retrying.reporter,
            watcher=watcher,
            show=right.show,
            command=run.command,
            keep_lock=right.keep,
            pooled=right.pooled,
            check_signals=run.check_signals,
            default_mode=run.settings.transaction,
            autoflush=run.settings.session_autoflush,
            show_parameters=run.settings.show_parameters,
            external=run.external,
            tables=(run.ledger.name, run.ledger.version_name),
            lock_waits=retrying.lock_waits,
        )
        _Writing(run, ctx, runner, retrying, right).run()


class _Writing:
    """One writing command, from the first look under the lock to the last commit."""

    def __init__(
        self,
        run: CommandRun,
        ctx: MigrationContext,
        runner: Runner,
        retrying: Retrying,
        right: Right,
    ) -> None:
        self._run = run
        self._ctx = ctx
        self._runner = runner
        self._retrying = retrying
        self._right = right
        #: The stems of the migrations that run, in their order.
        self._order: list[str] = []
        runner.record_at_once = self._try_to_record_at_once
        self._record_at_once: RecordAtOnce | None = None
        #: Only ``stamp`` has this option at all.
        self._stamping = "purge" in ctx.opts
        self._purging = bool(ctx.purge)
        self._command = Command.LOOK
        if self._stamping:
            self._command = Command.PURGE if self._purging else Command.STAMP
        #: A squash whose step is to record it, and not to run it.
        self._unrun: PlainFile | None = None
        #: What is told as soon as it is committed.
        self._notes: list[str] = []
        #: What counts as applied, and is recorded together with the first change.
        self._imported: Imported | None = None
        #: What Alembic has stamped; a trigger of the table may have made something else of it.
        self._stamped: Any = _NOTHING_YET

    def run(self) -> None:
        run = self._run
        run.on_step = self._on_step
        run.script.execute = self._execute
        run.script.announce = self._announce
        run.script.announce_stamp = self._announce_stamp
        try:
            self._prepare()
            take_steps(self._ctx, steps_from(self._ctx, self._heads()), self._pointer)
            if self._hindrance is not None:
                going_on = f"Nothing is pending, so the run goes on. {self._hindrance}"
                run.reporter.tell(events.Note(going_on))
            if self._stamping:
                self._hold_only_stamped()
            if self._imported is None:
                self._commit()
            else:
                # Nothing has changed what Alembic has recorded, so that its releases go on.
                self._roll_back()
        except Exception as error:
            explained = self._runner.abort(error)
            self._roll_back()
            if explained is error:
                raise  # `from None` would forget its cause, which Alembic's callers look at
            raise explained from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            if self._record_at_once is not None and run.lent:
                self._record_at_once.close()
            run.script.execute = run.script.announce = run.on_step = None
            run.script.announce_stamp = None

    def _prepare(self) -> None:
        """Decide on the history, then see to it that both tables are there and agree with it.

        Nothing of this is committed before the first migration begins: a command that is refused
        after all, or a stamp that fails, leaves both tables as they were.
        """
        run = self._run
        self._state = run.read()
        found = self._decide(self._state)
        self._history = history = found.history
        run.script.follow(history)
        self._pointer = Pointer(run.connection, run.ledger, history.pointer)
        self._hindrance = self._prepare_tables(found)
        self._imported = self._state.imported
        if self._stamping:
            if self._hindrance is None and not self._purging:
                self._record_imported()
            self._imported = None
            tell(run.reporter, found.warnings)

    def _record_imported(self) -> None:
        """Record what Alembic has applied and the files that it is now, if that is still to do."""
        imported, self._imported = self._imported, None
        if imported is not None:
            run = self._run
            record_all(run.connection, run.ledger, self._layout, imported.rows)
            set_pointer(run.connection, run.ledger, self._history.pointer)

    def _heads(self) -> tuple[str, ...]:
        """Where the database is, for Alembic; under the lock the history knows."""
        if not self._stamping:
            return (self._pointer.now,) if self._pointer.now else ()
        if not self._purging:
            heads = self._ctx.get_current_heads()
            self._pointer.found_at(heads)
            return heads
        if self._hindrance is None:
            send(self._run.connection, *sql.replace_pointers(self._run.ledger, None))
        self._pointer.now = None
        return ()

    def _prepare_tables(self, found: Preflight) -> BridgeError | None:
        """Put both tables in order, or say why that cannot be done here."""
        run, state = self._run, self._state
        if state.session.read_only:
            there = state.exists and state.pointer_table is not None
            if there and not (found.moves_pointer or self._stamping):
                return None
            return refused([read_only(state, BOOKKEEPING)])
        if found.moves_pointer and (lacking := [*rights(state, set(), {"INSERT", "DELETE"})]):
            return refused(lacking)
        self._layout = state.layout
        checksums = self._checksums(found)
        squashes = self._squashes_to_record(found)
        if state.complete and not (found.moves_pointer or checksums or squashes):
            return None
        try:
            with run.connection.begin_nested():
                self._complete()
                longest = max((len(e.revision) for e in found.history.entries), default=0)
                widen_version_table(run.connection, run.ledger, longest=longest)
                if state.pointer_table is None:
                    with creating(run.ledger):
                        # As text: options of an Engine could send it to another schema.
                        table = widened_version_table(self._ctx)
                        create = CreateTable(table).compile(dialect=run.connection.dialect)
                        run.connection.exec_driver_sql(str(create))
                if found.moves_pointer:
                    set_pointer(run.connection, run.ledger, found.pointer)
                if checksums and "checksum" in self._layout.columns:
                    record_checksums(run.connection, run.ledger, self._layout, checksums)
                    rows = tuple(
                        replace(row, checksum=checksums[row.name], form=None)
                        if row.name in checksums
                        else row
                        for row in self._state.rows
                    )
                    self._state = replace(self._state, rows=rows)
                for entry, row in squashes:
                    self._record_unrun(entry, row)
        except LedgerError as error:
            self._notes.clear()
            return error
        return None

    def _complete(self) -> None:
        """Make the ledger, or add what it lacks, and go by what it has then."""
        state = self._state
        now = ensure_ledger(self._run.connection, self._run.ledger)
        self._layout = now.knowing(state.layout)
        if now.lacking and state.table is not None:
            # Somebody holds the table: it is used as it is, and what it lacks is told.
            state = replace(state, table=replace(state.table, owned=False))
        self._state = replace(state, layout=self._layout)

    def _checksums(self, found: Preflight) -> dict[str, str]:
        """Return the checksums to record: of applied files that have none, where a column is there.

        Nothing else is known of them, and a later change or another name is noticed from then on.
        """
        table = self._state.table
        if self._stamping or table is None or "UPDATE" not in table.rights:
            return {}
        if table.hides("UPDATE") or "UPDATE" in table.published:
            return {}
        checksums = {}
        for entry in found.history.applied:
            file, row = entry.file, entry.row
            # A file of its own name is what no other file was said to be.
            if file is not None and row is not None and row.lacks_checksum:
                with suppress(FilesError):
                    # What another team's checksum says to be changed is not accepted unseen.
                    if row.form is None or has_text_of(row, file):
                        checksums[row.name] = file.checksum()
        return checksums

    def _squashes_to_record(self, found: Preflight) -> list[tuple[Entry, Row]]:
        """Return the squashes that count as applied, and are to be recorded as well."""
        table = self._state.table
        if self._stamping or (table is not None and "INSERT" not in table.rights):
            return []
        if self._state.imported is not None:  # what they replace is not recorded either
            return []
        squashes = []
        for entry in found.history.applied:
            if entry.row is not None and entry.row.unrecorded and entry.file is not None:
                with suppress(FilesError):  # it counts as applied without a row as well
                    if not self._state.shares_row(entry.stem, entry.replaces):
                        squashes.append((entry, row_of(entry.file)))
        return squashes

    def _record_unrun(self, entry: Entry, row: Row) -> None:
        """Record a squash that does not run here, behind what it replaces."""
        state = self._state
        if not state.shares_row(entry.stem, entry.replaces):
            # What older releases cannot work after has been applied already.
            after = [state.key(name) for name in entry.replaces]
            self._record(replace(row, breaking=False), after=after)
        self._notes.append(recorded_unrun(entry))

    def _announce(
        self, direction: Direction, entries: Sequence[Entry], otherwise: BridgeError | None
    ) -> None:
        """Tell, or refuse, what preflight found before the first of these migrations runs."""
        announce(self._run, self._state, direction, entries, otherwise)
        self._order = [entry.stem for entry in entries]
        if entries:
            # In the transaction of the first look, so that it costs no other one.
            _ = self._runner.baseline
        if entries and self._hindrance is not None:
            raise self._hindrance

    def _announce_stamp(self, revision: str | None) -> None:
        """Refuse a stamp of this revision if it could not be recorded."""
        wanted = self._history.up_to(revision)
        preflight(
            self._command,
            self._run.script.files,
            self._state,
            self._run.settings,
            steps=[entry for entry in wanted if entry.row is None],
            forgets=[entry for entry in self._history.applied if entry not in wanted],
        ).refuse()
        if self._hindrance is not None:
            raise self._hindrance

    def _decide(self, state: State) -> Preflight:
        wanted = to_tuple(self._ctx.opts["destination_rev"], default=())
        if self._stamping and len(wanted) > 1:
            raise UsageError(
                "Plain files form one history, so a database is at one revision. Name one "
                "revision to stamp. Nothing was changed."
            )
        files, settings = self._run.script.files, self._run.settings
        found = preflight(self._command, files, state, settings, steps=())
        found.refuse()
        return found

    def _execute(self, file: PlainFile, direction: Direction) -> None:
        self._commit()
        self._recorded_at_once = False
        self._unrun = None
        if direction is Direction.DOWNGRADE:
            self._record_imported()
            self._commit()
            self._take_back(file)
            return
        if file.stem in self._history.replaced.only_recorded:
            self._unrun = file
            return
        self._runner.forgetting = None
        self._retrying.run(self._runner, file, direction)
        self._record_imported()
        if self._recorded_at_once:
            self._pointer.now = file.revision

    def _take_back(self, file: PlainFile) -> None:
        *earlier, entry = self._history.up_to(file.revision)
        erasure = Erasure(
            ledger=self._run.ledger,
            layout=self._layout,
            key=self._state.key(entry.stem),
            old=entry.revision,
            new=earlier[-1].revision if earlier else None,
        )
        runner = self._runner
        runner.forgetting = Forgetting(self._run.connection, erasure, lambda: runner.baseline)
        self._retrying.run(runner, file, Direction.DOWNGRADE)
        self._pointer.now = erasure.new  # or will be in time, by the runner's `finish`

    def _try_to_record_at_once(self, attempt: Attempt) -> bool:
        """Record a migration in one message as soon as it has ended, where that can be done."""
        old, runner = self._pointer.now, self._runner
        upgrades = attempt.direction is Direction.UPGRADE
        lock = self._right.session
        also = self._imported is not None or self._entry(attempt.file).replaces
        if not (upgrades and old) or lock is None or also:
            return False
        if self._record_at_once is None:
            self._record_at_once = RecordAtOnce(
                self._run.connection, self._run.ledger, self._layout
            )
        shown = lock.name(self._after(attempt.file.stem))
        self._recorded_at_once = self._record_at_once.write(
            attempt.work,
            runner.baseline,
            limit=self._retrying.lock_waits.limit,
            old=old,
            new=attempt.file.revision,
            row=self._recorded(row_of(attempt.file, attempt.milliseconds())),
            shown=shown,
        )
        if self._recorded_at_once:
            lock.shown = shown
        return self._recorded_at_once

    def _after(self, stem: str) -> str:
        """Return the migration that runs next; "" after the last one."""
        place = self._order.index(stem) + 1
        return self._order[place] if place < len(self._order) else ""

    def _on_step(self, *, step: MigrationInfo, **arguments: Any) -> None:
        """Record a migration in the transaction that did it, and end that transaction."""
        if step.is_stamp:
            # Recorded when it is done: Alembic calls for each of its steps, or for none.
            self._stamped = next(iter(arguments["heads"]), None)
            return
        if self._unrun is not None:
            self._record_imported()
            self._record_unrun(self._entry(self._unrun), row_of(self._unrun))
        elif step.is_upgrade:
            self._runner.finish(self._record_attempt)
        else:
            self._runner.finish(_finish_forgetting)

    def _record_attempt(self, attempt: Attempt) -> None:
        if not self._recorded_at_once:
            row = row_of(attempt.file, attempt.milliseconds())
            self._record_replaced(self._entry(attempt.file))
            self._record(row, pointer=attempt.file.revision)

    def _record_replaced(self, entry: Entry) -> None:
        """Record what a squash replaces, for older releases that still have it."""
        if entry.replaces:
            run, rows = self._run, self._state.replaced_rows(entry.stem, entry.replaces)
            send(run.connection, *sql.insert_replaced(run.ledger, self._layout, rows))

    def _entry(self, file: PlainFile) -> Entry:
        return self._history.by_revision[file.revision]

    def _recorded(self, row: Row) -> Row:
        """Return the row as the ledger has it."""
        return replace(row, key=self._state.key(row.version))

    def _record(self, row: Row, *, pointer: str | None = None, after: Collection[str] = ()) -> None:
        run, recorded = self._run, self._recorded(row)
        try:
            record_applied(
                run.connection, run.ledger, self._layout, recorded, pointer=pointer, after=after
            )
        except IntegrityError as error:
            if sqlstate(error) != _UNIQUE_VIOLATION or not _is_about(error, self._layout):
                raise
            raise LedgerError(
                f"{run.ledger.name} already holds a row for {row.version}: another process "
                "has applied it at the same time, without the migration lock."
            ) from error

    def _forget(self, stems: Collection[str]) -> None:
        if stems:
            keys = {self._state.key(stem) for stem in stems}
            record_unapplied(self._run.connection, self._run.ledger, self._layout, keys)

    def _hold_only_stamped(self) -> None:
        """Make the ledger hold exactly the stamped revision and its ancestors in the history."""
        run = self._run
        heads = self._ctx.get_current_heads()
        if self._stamped is not _NOTHING_YET:
            confirm_pointer(run.connection, run.ledger, self._stamped)
        wanted = self._history.up_to(heads[0] if heads else None)
        state = run.read()
        recorded = {row.version for row in state.rows}
        replaced = {name for entry in wanted for name in entry.replaces}
        superfluous = recorded - replaced - {entry.stem for entry in wanted}
        if not self._purging:
            self._refuse_forgetting(superfluous)
        self._forget(superfluous)
        taken = {row.name for row in state.rows}
        for entry in wanted:
            if entry.stem in recorded:
                continue
            self._record_replaced(entry)
            if (key := self._state.key(entry.stem)) not in taken:
                row = row_of(entry.file) if entry.file else Row(version=entry.stem)
                self._record(row, after=[self._state.key(name) for name in entry.replaces])
                taken.add(key)

    def _refuse_forgetting(self, stems: set[str]) -> None:
        files = self._run.script.files
        gone = sorted(stems.difference((file.stem for file in files), *replaced_by(files).values()))
        if gone:
            raise record_messages.forgetting(self._state, gone)

    def _commit(self) -> None:
        if not self._run.external:
            self._run.connection.commit()
        while self._notes:
            self._run.reporter.tell(events.Note(self._notes.pop(0)))

    def _roll_back(self) -> None:
        if not self._run.external and self._run.connection.in_transaction():
            self._run.connection.rollback()


def _finish_forgetting(attempt: Attempt) -> None:
    if attempt.work.forgetting is not None:
        attempt.work.forgetting.finish()


def _is_about(error: IntegrityError, layout: Layout) -> bool:
    """Return whether it is the name of the migration that is there twice, and no other column."""
    detail = str(getattr(getattr(error.orig, "diag", None), "message_detail", None) or "")
    columns = re.search(r"\(([^()]*)\)=\(", detail)
    return columns is None or {*columns[1].split(", ")} == {*map(quote, layout.key_columns)}
