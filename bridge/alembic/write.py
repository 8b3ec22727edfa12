"""Write to the database: an upgrade, a downgrade or a stamp, while the lock is held."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import to_tuple

from bridge.alembic.announce import announce, tell
from bridge.alembic.record import RecordAtOnce
from bridge.alembic.rows import Rows
from bridge.alembic.run import CommandRun
from bridge.alembic.steps import steps_from, take_steps
from bridge.alembic.tables import prepare_tables
from bridge.alembic.unrecord import Erasure, Forgetting
from bridge.alembic.version_table import Pointer
from bridge.database.own_connection import guardable
from bridge.database.sending import send
from bridge.errors import BridgeError, UsageError
from bridge.execution.attempt import Attempt
from bridge.execution.retry import Retrying
from bridge.execution.runner import Runner
from bridge.execution.watcher import Watcher
from bridge.files.plain_file import PlainFile
from bridge.files.replaces import replaced_by
from bridge.ledger import sql
from bridge.ledger.drift import row_of
from bridge.ledger.history import Entry
from bridge.ledger.messages import records as record_messages
from bridge.ledger.preflight import Command, Preflight, preflight
from bridge.ledger.records import confirm_pointer
from bridge.ledger.state import State
from bridge.ledger.target import make_schema
from bridge.locking.exclusive import Right, exclusively
from bridge.reporting import events
from bridge.reporting.events import Direction

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
            target=run.settings.target,
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
        #: The migration that runs after each, by their stems.
        self._next: dict[str, str] = {}
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
            if self._rows.imported is None:
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
        target = run.settings.target
        if run.provisions and target is not None and make_schema(run.connection, target):
            run.reporter.tell(events.Note(f"The schema {target.schema} is new."))
        state = run.read()
        found = self._decide(state)
        self._rows = Rows(run, state)
        self._found, self._read = found, state
        self._history = history = found.history
        run.script.follow(history)
        self._pointer = Pointer(run.connection, run.ledger, history.pointer)
        self._hindrance = prepare_tables(run, self._ctx, self._rows, found, stamping=self._stamping)
        if self._stamping:
            if self._hindrance is None and not self._purging:
                self._rows.add_imported(history.pointer)
            self._rows.imported = None
            tell(run.reporter, found.warnings)

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

    def _announce(
        self, direction: Direction, entries: Sequence[Entry], otherwise: BridgeError | None
    ) -> None:
        """Tell, or refuse, what preflight found before the first of these migrations runs."""
        state = self._rows.state
        agreed = self._found.agreement if state is self._read else None  # else it has changed
        announce(self._run, state, direction, entries, otherwise, agreed=agreed)
        stems = [entry.stem for entry in entries]
        self._next = dict(itertools.pairwise(stems))
        if entries:
            self._run.reporter.tell(events.Planned(migrations=tuple(stems), direction=direction))
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
            self._rows.state,
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
        self._right.spread(file.header.shared)
        self._recorded_at_once = False
        self._unrun = None
        if direction is Direction.DOWNGRADE:
            self._rows.add_imported(self._history.pointer)
            self._commit()
            self._take_back(file)
            return
        if file.stem in self._history.replaced.only_recorded:
            self._unrun = file
            return
        self._runner.forgetting = None
        self._retrying.run(self._runner, file, direction)
        self._rows.add_imported(self._history.pointer)
        if self._recorded_at_once:
            self._pointer.now = file.revision

    def _take_back(self, file: PlainFile) -> None:
        *earlier, entry = self._history.up_to(file.revision)
        erasure = Erasure(
            ledger=self._run.ledger,
            layout=self._rows.layout,
            key=self._rows.state.key(entry.stem),
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
        also = self._rows.imported is not None or self._entry(attempt.file).replaces
        if not (upgrades and old) or lock is None or also:
            return False
        if self._record_at_once is None:
            self._record_at_once = RecordAtOnce(
                self._run.connection, self._run.ledger, self._rows.layout
            )
        shown = lock.name(self._next.get(attempt.file.stem, ""))
        self._recorded_at_once = self._record_at_once.write(
            attempt.work,
            runner.baseline,
            limit=self._retrying.lock_waits.limit,
            old=old,
            new=attempt.file.revision,
            row=self._rows.recorded(row_of(attempt.file, attempt.milliseconds())),
            shown=shown,
        )
        if self._recorded_at_once:
            lock.shown = shown
        return self._recorded_at_once

    def _on_step(self, *, step: MigrationInfo, **arguments: Any) -> None:
        """Record a migration in the transaction that did it, and end that transaction."""
        if step.is_stamp:
            # Recorded when it is done: Alembic calls for each of its steps, or for none.
            self._stamped = next(iter(arguments["heads"]), None)
            return
        if self._unrun is not None:
            self._rows.add_imported(self._history.pointer)
            self._rows.add_unrun(self._entry(self._unrun), row_of(self._unrun))
        elif step.is_upgrade:
            self._runner.finish(self._record_attempt)
        else:
            self._runner.finish(_finish_forgetting)

    def _record_attempt(self, attempt: Attempt) -> None:
        if not self._recorded_at_once:
            row = row_of(attempt.file, attempt.milliseconds())
            self._rows.add_replaced(self._entry(attempt.file))
            self._rows.add(row, pointer=attempt.file.revision)

    def _entry(self, file: PlainFile) -> Entry:
        return self._history.by_revision[file.revision]

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
        self._rows.forget(superfluous)
        self._rows.add_stamped(wanted, state)

    def _refuse_forgetting(self, stems: set[str]) -> None:
        files = self._run.script.files
        gone = sorted(stems.difference((file.stem for file in files), *replaced_by(files).values()))
        if gone:
            raise record_messages.forgetting(self._rows.state, gone)

    def _commit(self) -> None:
        if not self._run.external:
            self._run.connection.commit()
        while self._rows.notes:
            self._run.reporter.tell(events.Note(self._rows.notes.pop(0)))

    def _roll_back(self) -> None:
        if not self._run.external and self._run.connection.in_transaction():
            self._run.connection.rollback()


def _finish_forgetting(attempt: Attempt) -> None:
    if attempt.work.forgetting is not None:
        attempt.work.forgetting.finish()
