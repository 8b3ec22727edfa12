"""An upgrade or a downgrade: files run, and each is recorded in its own transaction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bridge.alembic.record import RecordAtOnce
from bridge.alembic.unrecord import Erasure, Forgetting
from bridge.alembic.writing import Writing
from bridge.ledger.drift import row_of
from bridge.ledger.refused import in_own_words
from bridge.reporting import events
from bridge.reporting.events import Direction

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, MigrationInfo

    from bridge.alembic.run import CommandRun
    from bridge.errors import BridgeError
    from bridge.execution.attempt import Attempt
    from bridge.execution.retry import Retrying
    from bridge.execution.runner import Runner
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.history import Entry
    from bridge.locking.exclusive import Right


class Migrating(Writing):
    """``alembic upgrade`` and ``alembic downgrade``."""

    def __init__(
        self,
        run: CommandRun,
        ctx: MigrationContext,
        runner: Runner,
        retrying: Retrying,
        right: Right,
    ) -> None:
        super().__init__(run, ctx)
        self._runner = runner
        self._retrying = retrying
        self._right = right
        #: The migration that runs after each, by their stems.
        self._next: dict[str, str] = {}
        runner.record_at_once = self._try_to_record_at_once
        self._record_at_once: RecordAtOnce | None = None
        #: Whether the migration that ran last is recorded by it.
        self._recorded_at_once = False
        #: A squash whose step is to record it, and not to run it.
        self._unrun: PlainFile | None = None

    def _listen(self) -> None:
        super()._listen()
        self._run.script.execute = self._execute

    def _close(self) -> None:
        if self._record_at_once is not None and self._run.lent:
            self._record_at_once.close()
        self._run.script.execute = None
        super()._close()

    def _announce(
        self, direction: Direction, entries: Sequence[Entry], otherwise: BridgeError | None
    ) -> None:
        super()._announce(direction, entries, otherwise)
        if not entries:
            return
        stems = [entry.stem for entry in entries]
        self._next = dict(itertools.pairwise(stems))
        self._run.reporter.tell(events.Planned(migrations=tuple(stems), direction=direction))
        # In the transaction of the first look, so that it costs no other one.
        _ = self._runner.baseline
        if self._hindrance is not None:
            raise self._hindrance

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

    def _on_step(self, *, step: MigrationInfo, **_: Any) -> None:
        """Record a migration in the transaction that did it, and end that transaction."""
        if self._unrun is not None:
            self._rows.add_imported(self._history.pointer)
            self._rows.add_unrun(self._entry(self._unrun), row_of(self._unrun))
        elif step.is_upgrade:
            self._runner.finish(self._record)
        else:
            self._runner.finish(_finish_forgetting)

    def _record(self, attempt: Attempt) -> None:
        if not self._recorded_at_once:
            row = row_of(attempt.file, attempt.milliseconds())
            self._rows.add_replaced(self._entry(attempt.file))
            self._rows.add(row, pointer=attempt.file.revision)

    def _entry(self, file: PlainFile) -> Entry:
        return self._history.by_revision[file.revision]

    def _end(self) -> None:
        if self._hindrance is not None:
            what = in_own_words(self._hindrance)
            self._run.reporter.tell(events.Note(f"Nothing is pending, so the run goes on. {what}"))

    def _explained(self, error: Exception) -> Exception:
        return self._runner.abort(error)


def _finish_forgetting(attempt: Attempt) -> None:
    if attempt.work.forgetting is not None:
        attempt.work.forgetting.finish()
