"""Run one migration, and make its record part of its last transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bridge.database.connection_state import is_idle
from bridge.database.driver_errors import first_line
from bridge.errors import BridgeError, MigrationError
from bridge.execution import time_limits
from bridge.execution.argument import open_argument
from bridge.execution.attempt import Attempt, Phase
from bridge.execution.failure import Failure, looks_like_success
from bridge.execution.hints import Hints
from bridge.execution.indexes import invalid_indexes, refuse_invalid_indexes
from bridge.execution.loading import loaded, refuse_unfinished
from bridge.execution.refused_record import Tables
from bridge.execution.session import OwnEngine
from bridge.execution.session_state import Baseline
from bridge.execution.watcher import Watcher
from bridge.execution.work import Work
from bridge.files.mode import Mode
from bridge.files.plain_file import PlainFile
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.alembic.unrecord import Forgetting
    from bridge.execution.lock_waits import LockWaits
    from bridge.locking.pooler import PooledClaim


@dataclass(kw_only=True)
class Runner:
    """Runs files on one connection, one after the other."""

    connection: Connection
    reporter: Reporter
    watcher: Watcher
    #: Shows others which migration runs next, by its stem; raises if it must not begin.
    show: Callable[[str], None]
    #: What a person types to go on after a failure has been mended.
    command: str
    #: Called after a statement of a file that may have let go of the session's locks; raises
    #: LockLost if the migration lock is lost.
    keep_lock: Callable[[], None] = lambda: None
    #: Raises Interrupted if a signal has come, which a file may have swallowed.
    check_signals: Callable[[], None] = lambda: None
    default_mode: Mode = Mode.DEFAULT
    autoflush: bool = False
    show_parameters: bool = False
    #: Claims for each transaction, where a pooler shares the session.
    pooled: PooledClaim | None = None
    #: Whether the connection is in a transaction of the caller's, who alone may commit.
    external: bool = False
    #: Whether everything is rolled back in the end; goes with `external`.
    rehearsal: bool = False
    #: Whether the database is dropped in the end.
    scratch: bool = False
    #: Limits how long files wait for locks, and sees for whom; None to leave that alone.
    lock_waits: LockWaits | None = None
    #: Called when a file has come to its end: writes the record at once where that can be done,
    #: and says whether it is.
    record_at_once: Callable[[Attempt], bool] = lambda _attempt: False
    #: The names of the ledger and of the version table.
    tables: tuple[str, str] = ("schema_migrations", "alembic_version")
    #: Of a downgrade that runs next: what sees to it that the record goes no later than the work.
    forgetting: Forgetting | None = None
    #: The attempt that failed last, until the next one begins.
    failed: Attempt | None = None
    #: Stems that were run and recorded.
    done: list[str] = field(default_factory=list)
    _attempt: Attempt | None = None
    _may_defer: bool = False

    def run(self, file: PlainFile, direction: Direction) -> None:
        """Execute the file's function, and stop just before the commit that ends it.

        What remains is to write the record in the same transaction, unless `record_at_once` has,
        and to call `finish`.
        Raises MigrationError, after rolling back, if anything goes wrong.
        """
        self.failed = None
        mode = self._mode(file)
        if not self.external and self.connection.in_transaction():
            self.connection.commit()
        self.show(file.stem)
        autocommit = self._leave_autocommit()
        baseline = self.baseline  # taken before the file can change anything
        work = Work(
            self.connection,
            file.path,
            mode,
            external=self.external,
            backend_pid=baseline.backend_pid,
            pooled=self.pooled,
            forgetting=self.forgetting,
            hints=Hints(
                may_defer=self._may_defer or baseline.may_defer,
                isolates=baseline.isolation_level == "SERIALIZABLE",
            ),
            tell=self._on_statement,
            keep_lock=self.keep_lock,
        )
        attempt = self._attempt = Attempt(file, direction, work, time.monotonic(), autocommit)
        self.reporter.tell(attempt.started())
        try:
            self._execute(attempt)
            self.check_signals()
            self._settle(attempt)
        except BaseException as error:
            self._stopped(attempt, error)
            raise

    def finish(self, record: Callable[[Attempt], None]) -> None:
        """Write the record and commit it together with what the migration left uncommitted."""
        attempt = self._attempt
        if attempt is None:
            raise RuntimeError("no migration has been run")  # a bug of ours
        try:
            attempt.phase = Phase.RECORD
            record(attempt)
            attempt.phase = Phase.COMMIT
            if not self.external:
                # By the driver first: SQLAlchemy would close a connection whose COMMIT Ctrl-C
                # has met, and nobody could tell any more whether it was done.
                attempt.work.dbapi.commit()
                self.connection.commit()
        except BaseException as error:
            self._stopped(attempt, error)
            raise
        self._close(attempt)
        if not self.external:
            attempt.work.beginnings.put_back()
            self.baseline.restore_isolation(self.connection, autocommit=attempt.autocommit)
        self.done.append(attempt.file.stem)
        self.reporter.tell(attempt.finished())

    def abort(self, error: Exception) -> Exception:
        """Roll back a migration that ran but could not be recorded, and explain that.

        Returns the error to raise; `error` itself if no migration was under way.
        """
        attempt = self._attempt
        if attempt is None:
            return error
        attempt.phase = Phase.RECORD
        return self._explained(attempt, error)

    @cached_property
    def baseline(self) -> Baseline:
        """The session state of the connection before the first file."""
        within = self.connection.in_transaction()
        baseline = Baseline.take(self.connection)
        if not within:
            self.connection.rollback()
        return baseline

    @cached_property
    def _engine(self) -> OwnEngine:
        return OwnEngine(self.connection)

    def _leave_autocommit(self) -> bool:
        """Take a connection out of autocommit, which would part a migration from its record."""
        dbapi: Any = self.connection.connection.dbapi_connection
        autocommit = bool(dbapi.autocommit)
        if autocommit:
            dbapi.autocommit = False
        return autocommit

    def _mode(self, file: PlainFile) -> Mode:
        mode = file.header.transaction or self.default_mode
        if not self.external:
            return mode
        if mode is Mode.AUTOCOMMIT:
            raise MigrationError(
                f'{file.path} says transaction = "autocommit", which is impossible inside the '
                "open transaction of the connection that was handed in. The file was not run. "
                "Hand in a connection that is in no transaction, or an Engine."
            )
        return Mode.ATOMIC

    def _on_statement(self, statement: str, parameters: object) -> None:
        self.reporter.tell(events.Statement(sql=statement, parameters=parameters))
        if self.lock_waits is not None:
            self.lock_waits.statement(statement)

    def _execute(self, attempt: Attempt) -> None:
        work = attempt.work
        if self.lock_waits is not None:
            self.lock_waits.begin(attempt, self.baseline, self.pooled)
        if work.mode is Mode.AUTOCOMMIT:
            work.real.autocommit = True
        file, direction = attempt.file, attempt.direction.value
        with self.watcher.watching(work), loaded(file, direction) as function:
            self._engine.serve(work)
            given = open_argument(self._engine, *file.takes(direction), autoflush=self.autoflush)
            attempt.given = given
            refuse_unfinished(function(given.value), attempt.direction)
            attempt.phase = Phase.SETTLE
            # The caller of a file commits after it returns, as the old runner did.
            work.ended = True
            given.commit()
            work.hold_commit()  # what comes until it is recorded may take its time

    def _settle(self, attempt: Attempt) -> None:
        """Refuse what must not be recorded, and put back what the file changed for itself."""
        work = attempt.work
        self._may_defer = work.sent.hints.may_defer  # for the files after it as well
        work.refuse_lost()
        work.refuse_gone()
        if work.sent.own_locks.found:
            raise MigrationError("A statement was cancelled, and the file went on.")
        for (statement, _), error in work.sent.swallowed.items():
            raise MigrationError(_swallowed(statement, error)) from error
        hints = work.sent.hints
        refuse_invalid_indexes(
            self.connection, hints.about_indexes, anywhere=hints.changes_settings
        )
        work.allow_record()
        work.keep_commit()
        if self.lock_waits is not None:
            self.lock_waits.end()
        if not self.record_at_once(attempt):
            self._restore()
            if work.sent.hints.about_settings:
                self.keep_lock()  # which may be gone as well

    def _stopped(self, attempt: Attempt, error: BaseException) -> None:
        """Roll back, and raise what explains the error; an interruption only gets a note."""
        if isinstance(error, Exception) or looks_like_success(error, attempt.file.path):
            raise self._explained(attempt, error) from error
        committed = attempt.phase is Phase.COMMIT and is_idle(attempt.work.dbapi)
        self._roll_back(attempt, error)
        error.add_note(self._failure(attempt, error).describe_interruption(committed=committed))

    def _explained(self, attempt: Attempt, error: BaseException) -> BridgeError:
        cut_off = attempt.work.broken  # not that the rollback finds it out
        self._roll_back(attempt, error)
        self.failed = attempt
        if not self.show_parameters and hasattr(error, "hide_parameters"):
            error.hide_parameters = True  # where a log shows the cause as well
        failure = self._failure(attempt, error, cut_off=cut_off)
        explained = failure.kind(failure.describe())
        explained.__cause__ = error
        return explained

    def _failure(self, attempt: Attempt, error: BaseException, *, cut_off: bool = False) -> Failure:
        return Failure(
            stem=attempt.file.stem,
            path=attempt.file.path,
            source=attempt.file.source(),
            direction=attempt.direction,
            error=error,
            work=attempt.work,
            phase=attempt.phase,
            done=tuple(self.done),
            command=self.command,
            show_parameters=self.show_parameters,
            tables=Tables(*self.tables, role=self.baseline.current_user),
            rehearsal=self.rehearsal,
            scratch=self.scratch,
            cut_off=cut_off,
            about_locks=self.lock_waits.explain(attempt, error) if self.lock_waits else (),
            about_time=time_limits.explain(
                error,
                gone=attempt.work.gone,
                seconds=attempt.seconds(),
                settings=self.baseline.foremost,
                direction=attempt.direction,
                own=attempt.work.sent.hints.limits_session,
            ),
        )

    def _roll_back(self, attempt: Attempt, error: BaseException) -> None:
        """Undo what was not committed; a connection that is gone has been undone already."""
        work = attempt.work
        if work.held or work.mode is Mode.ATOMIC:
            work.keep_commit()
        # A first error is the one to tell, so that errors on the way back are not.
        if not self.external:
            with suppress(Exception):
                work.pay()
            with suppress(Exception):
                self._undo(work)
            with suppress(Exception):
                # One that is gone would be opened anew.
                if work.gone:
                    self.connection.invalidate()
                else:
                    self._put_back(attempt)
        self.reporter.tell(attempt.failed(error))
        self._close(attempt)

    def _undo(self, work: Work) -> None:
        if not work.real.closed:
            work.real.rollback()
            work.beginnings.put_back()
        if self.connection.in_transaction():
            self.connection.rollback()

    def _put_back(self, attempt: Attempt) -> None:
        """Leave a connection that was handed in as it came."""
        work = attempt.work
        self._restore()
        hints = work.sent.hints
        if hints.about_indexes and attempt.phase is Phase.EXECUTE:
            work.invalid = invalid_indexes(
                self.connection, hints.about_indexes, anywhere=hints.changes_settings
            )
        if work.forgetting is not None:
            work.forgetting.look()
        self.connection.commit()
        self.baseline.restore_isolation(self.connection, autocommit=attempt.autocommit)

    def _restore(self) -> None:
        if self.lock_waits is not None:
            self.lock_waits.end()
            self.lock_waits.forget_limit()
        self.baseline.restore(self.connection, external=self.external)
        if self.pooled is not None:
            self.pooled.settle()

    def _close(self, attempt: Attempt) -> None:
        self._attempt = None
        attempt.work.keep_commit()
        attempt.work.sent.own_locks.close()
        if attempt.given is not None:
            with suppress(Exception):  # of a connection that is gone
                attempt.given.close()


def _swallowed(statement: str, error: BaseException) -> str:
    return (
        "The file caught an error and went on, but some of its work is missing: "
        f"{first_line(error)} (in: {' '.join(statement.split())[:200]})."
    )
