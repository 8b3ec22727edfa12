"""`eai migrate rehearse`: run the pending files for real, in a transaction that is rolled back.

It looks at what each file sends, how long it takes and which locks it holds. It writes no
bookkeeping, and never commits: a file's commits release savepoints, as with
``transaction = "atomic"``, and the driver's connection refuses to commit meanwhile.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, text

from bridge.alembic.commands import with_steps
from bridge.alembic.invocation import Invocation
from bridge.config.settings import Settings
from bridge.database.connected import connected
from bridge.database.data_loss import data_losses
from bridge.database.own_connection import guardable
from bridge.database.request import Request
from bridge.database.sqlstate import sqlstate
from bridge.errors import MigrationError
from bridge.files.mode import Mode
from bridge.locking.exclusive import exclusively
from bridge.operations.rehearsal.locks import Lock, Locks
from bridge.operations.rehearsal.script import FileScript
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter

if TYPE_CHECKING:
    from bridge.alembic.script import PlainScript
    from bridge.execution.runner import Runner
    from bridge.files.plain_file import PlainFile
    from bridge.ledger.history import History

#: How long a statement waits for a lock: those who queue behind it wait as long.
LOCK_TIMEOUT = "2s"

#: What only a real commit, or no transaction at all, would let pass: by SQLSTATE.
_NEEDS_COMMIT = {
    "55P04": "it uses an enum value that it has added before: that needs a real commit",
    "25001": "it has a statement that refuses to run inside a transaction",
    "2D000": "it commits inside the database, in a procedure or a DO block",
}
#: What a file may not do to the transaction in which it is rehearsed, by the words of the error.
_BY_WORDS = {
    "tried to end its transaction": "it ends the transaction by itself "
    "(COMMIT or ROLLBACK as text)",
    "tried to change how its transactions are made": "it changes how its transactions are made",
    "tried to leave its transaction": "it leaves the transaction (autocommit)",
}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One file that was run and rolled back."""

    stem: str
    path: str
    #: What it sent, as a script.
    sql: str
    #: What it has locked.
    locks: tuple[Lock, ...]
    #: What files before it have locked: a rehearsal holds that, so it cannot tell whether this
    #: file would lock it too.
    held: tuple[Lock, ...]
    #: How long it ran.
    seconds: float
    #: How many statements it sent, and what those lose: `all rows of widgets`.
    statements: int
    losses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a rehearsal."""

    done: tuple[Rehearsed, ...]
    #: Stems that could not be rehearsed, and of the first of them why not.
    left: tuple[str, ...] = ()
    reason: str = ""


def rehearse(request: Request, *, to: str = "head") -> Rehearsal:
    """Run what is pending on the database of this request, a URL, and roll it back.

    Holds the migration lock, and the locks of what it runs until the end. Raises MigrationError
    if a file fails, and what `run_upgrade` raises before it changes anything.
    """
    settings = request.settings()
    reporter = request.reporter
    watch = _Watch(reporter)
    with (
        connected(request, settings) as connection,
        guardable(connection),
        exclusively(
            connection,
            wait=settings.wait_for_lock,
            reporter=reporter,
            in_transaction=False,
            pooler=settings.pooler,
            target=settings.target,
        ) as right,
        _rolled_back(connection),
    ):
        return _Rehearsing(request, connection, watch, right.show).run(to)


@contextlib.contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    """Open a transaction that cannot be committed; raises MigrationError if it was."""
    connection.begin()
    xid = connection.scalar(text("SELECT txid_current()"))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    status = None
    try:
        yield
    finally:
        connection.rollback()
        if not connection.invalidated:
            status = connection.scalar(text("SELECT txid_status(:xid)"), {"xid": xid})
            connection.rollback()
    if status == "committed":
        raise MigrationError(
            "A file committed through the driver, which a rehearsal cannot prevent. What it did "
            "before that STAYS in the database, and is not recorded. Undo it by hand, or restore "
            "a backup."
        )


class _Rehearsing:
    """One rehearsal, on a connection in the transaction that will be rolled back."""

    def __init__(self, request: Request, connection: Connection, watch: _Watch, show: Any) -> None:
        self._request = request
        self._connection = connection
        self._watch = watch
        self._show = show

    def run(self, to: str) -> Rehearsal:
        """Run the files where Alembic would take its steps, after it has set up its context."""
        request = replace(
            self._request, database=self._connection, embedded=False, reporter=self._watch
        )
        settings = request.settings()

        def use(history: History, steps: list[PlainScript]) -> Rehearsal:
            # What is only recorded has nothing to rehearse.
            unrun = history.replaced.only_recorded
            entries = [step.entry for step in steps if step.entry.stem not in unrun]
            files = [cast("PlainFile", entry.file) for entry in entries]
            return self._run_files(files, settings)

        invocation = Invocation(request=request, rehearses=True)
        return with_steps(invocation, to, Direction.UPGRADE, use)

    def _run_files(self, files: list[PlainFile], settings: Settings) -> Rehearsal:
        from bridge.execution.runner import Runner
        from bridge.execution.watcher import Watcher

        locks = self._watch.locks = Locks(self._connection)
        done: list[Rehearsed] = []
        with Watcher().listening() as watcher:
            runner = Runner(
                connection=self._connection,
                reporter=self._watch,
                watcher=watcher,
                show=self._show,
                command=self._request.command,
                autoflush=settings.session_autoflush,
                show_parameters=settings.show_parameters,
                external=True,
                rehearsal=True,
            )
            for number, file in enumerate(files):
                mode = file.header.transaction or settings.transaction
                reason = _autocommit(mode) or self._run_file(runner, file, mode)
                if reason:
                    left = tuple(each.stem for each in files[number:])
                    return Rehearsal(tuple(done), left, reason)
                done.append(self._watch.rehearsed(file, locks))
        return Rehearsal(tuple(done))

    def _run_file(self, runner: Runner, file: PlainFile, mode: Mode) -> str | None:
        """Run one file; returns why it cannot be rehearsed, if it cannot."""
        self._watch.begin(self._connection, file, mode)
        try:
            # What a file prints is for the person, not for the script.
            with contextlib.redirect_stdout(sys.stderr):
                runner.run(file, Direction.UPGRADE)
            runner.finish(lambda _attempt: self._check_commit())
        except MigrationError as error:
            reason = _not_rehearsable(error)
            if reason is None:
                self._watch.tell_failure()
                raise
            return reason
        except BaseException:
            self._watch.tell_failure()
            raise
        return None

    def _check_commit(self) -> None:
        """Check what a COMMIT would check, in a savepoint: the next file begins as after one."""
        savepoint = self._connection.begin_nested()
        self._connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        savepoint.rollback()


def _autocommit(mode: Mode) -> str | None:
    return 'it says transaction = "autocommit"' if mode is Mode.AUTOCOMMIT else None


def _not_rehearsable(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        state = sqlstate(cause)
        if state in _NEEDS_COMMIT:
            return _NEEDS_COMMIT[state]
        for words, reason in _BY_WORDS.items():
            if isinstance(cause, MigrationError) and words in str(cause):
                return reason
        cause = cause.__cause__ or cause.__context__
    return None


class _Watch(Reporter):
    """Keeps what a file sends, and holds a failure back until it is known to be one."""

    def __init__(self, inner: Reporter) -> None:
        self._inner = inner
        self._failed: events.MigrationFailed | None = None
        self._seconds = 0.0
        self.locks: Locks | None = None

    def begin(self, connection: Connection, file: PlainFile, mode: Mode) -> None:
        """Begin to keep what this file does."""
        self._dbapi: Any = connection.connection.dbapi_connection
        self._script = FileScript(mode)
        if self.locks is not None:
            self.locks.begin(file.stem)

    def rehearsed(self, file: PlainFile, locks: Locks) -> Rehearsed:
        """Return what was found out about the file that has just ended."""
        sql = self._script.text()
        taken, held = locks.end()
        return Rehearsed(
            stem=file.stem,
            path=file.path,
            sql=sql,
            locks=taken,
            held=held,
            seconds=self._seconds,
            statements=self._script.statements,
            losses=tuple(dict.fromkeys(data_losses(sql))),
        )

    def tell_failure(self) -> None:
        """Report the failure: it is one, and not the end of what can be rehearsed."""
        if self._failed is not None:
            self._inner.tell(self._failed)

    def tell(self, event: events.Event) -> None:
        if isinstance(event, events.MigrationFailed):
            self._failed = event
            return
        self._inner.tell(event)
        if isinstance(event, events.MigrationFinished):
            self._seconds = event.seconds
        if isinstance(event, events.Statement):
            if self.locks is not None:
                self.locks.look()
            several = event.parameters if isinstance(event.parameters, list) else [event.parameters]
            for each in several:
                ends = self._script.add(self._with_literals(event.sql, each))
                if ends and self.locks is not None:
                    self.locks.commit()

    def _with_literals(self, statement: str, parameters: object) -> str:
        with self._dbapi.cursor() as cursor:
            try:
                return cast("bytes", cursor.mogrify(statement, parameters)).decode()
            except (TypeError, ValueError, IndexError, KeyError):
                # The statement will fail in the same way, or was sent without parameters.
                return statement
