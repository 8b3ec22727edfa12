"""``--sql``: a script of what Alembic would do; env.py's work without a database.

The whole script is held back until its end is reached, so that one that cannot be written is not
run in part.
"""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TextIO, cast

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy.orm import Session

from bridge.alembic.announce import announce
from bridge.alembic.configure import configure
from bridge.alembic.logs import reporter_for
from bridge.alembic.offline.bookkeeping import Books
from bridge.alembic.offline.driver import ScriptConnection
from bridge.alembic.offline.found import Found
from bridge.alembic.offline.session import OfflineConnection, open_script_session
from bridge.alembic.run import CommandRun
from bridge.alembic.script_directory import PlainScriptDirectory
from bridge.alembic.version_table import Pointer
from bridge.errors import BridgeError, Interrupted, MigrationError
from bridge.execution.loading import loaded, refuse_unfinished
from bridge.execution.transaction import Mode
from bridge.files.plain_file import PlainFile
from bridge.ledger.drift import row_of
from bridge.reporting.events import Direction


def run_offline(context: EnvironmentContext | Any, options: dict[str, Any]) -> None:
    """Write the SQL of the Alembic command that is under way to Alembic's output.

    Connects to nothing. Raises a BridgeError, after which nothing was written, if a file needs
    an answer from a database.
    """
    script = cast("PlainScriptDirectory", context.script)
    buffer = io.StringIO()
    driver = ScriptConnection(buffer.write)
    connection = OfflineConnection(driver)
    with contextlib.closing(connection):
        request = replace(script.invocation.request, reporter=reporter_for(context.config))
        run = CommandRun.of(script, connection, request)
        ctx = configure(run, context, options)
        out: TextIO = ctx.output_buffer
        _take_over(ctx, connection, buffer)
        _Writing(run, ctx, driver, script.invocation.found).run(context.run_migrations, buffer)
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8")  # which the script says it is in
    out.write(buffer.getvalue())
    out.flush()


def _take_over(ctx: Any, connection: OfflineConnection, buffer: TextIO) -> None:
    """Let Alembic and `alembic.op` write through our connection, BEGIN and COMMIT included.

    Alembic's own offline mode drops parameters, changes tabs inside constants, and puts a second
    semicolon after the first, or its only one behind a comment.
    """
    ctx.connection = ctx.impl.connection = connection
    ctx.output_buffer = ctx.impl.output_buffer = buffer
    ctx.impl.as_sql = False
    ctx.impl.transactional_ddl = False


class _Writing:
    """One script, from its header to the record of its last migration."""

    def __init__(
        self,
        run: CommandRun,
        ctx: MigrationContext,
        driver: ScriptConnection,
        found: Found | None,
    ) -> None:
        self._run = run
        self._ctx = ctx
        self._driver = driver
        self._found = found
        self._connection = cast("OfflineConnection", run.connection)
        self._books = Books(run, ctx._version, found)  # noqa: SLF001
        self._pointer = Pointer(ctx, run.connection, run.ledger, None)

    def run(self, run_migrations: Callable[[], None], buffer: TextIO) -> None:
        run, script = self._run, self._run.script
        run.on_step = self._on_step
        script.execute = self._execute
        state = self._books.state
        script.announce = partial(announce, run, state, looking=self._found is None)
        if self._found is not None:
            script.follow(self._found.agreement.history)
        # Alembic asks for its steps before the first one, and creates its table in the course
        # of that one: too late for what has to be checked, and not idempotent.
        find_steps: Any = self._ctx._migrations_fn  # noqa: SLF001
        self._ctx._migrations_fn = partial(self._begin, find_steps, buffer)  # noqa: SLF001
        self._ctx._version.create = self._books.create  # type: ignore[method-assign]  # noqa: SLF001
        try:
            run_migrations()
            self._end_transaction()
        finally:
            script.execute = script.announce = run.on_step = None

    def _begin(
        self, find_steps: Callable[..., Any], buffer: TextIO, heads: tuple[str, ...], ctx: Any
    ) -> Sequence[Any]:
        steps = list(find_steps(heads, ctx))
        buffer.write(self._books.header(heads, steps))
        if steps:
            self._books.open(heads, steps)
        self._end_transaction()
        return steps

    def _execute(self, file: PlainFile, direction: Direction) -> None:
        mode = file.header.transaction or self._run.settings.transaction
        self._row = row_of(file)
        forgetting: tuple[str, ...] = ()
        if direction is Direction.DOWNGRADE:
            *earlier, entry = self._run.script.history.up_to(file.revision)
            forgetting = self._books.forgetting(entry, earlier[-1] if earlier else None)
        self._driver.begin_file(file.path, mode, forgetting)
        try:
            # What a file prints is for the person, not for the script.
            with contextlib.redirect_stdout(sys.stderr), loaded(file, direction.value) as function:
                self._call(function, direction, mode)
        except BridgeError as error:
            raise self._driver.refused or error from error.__cause__
        except Interrupted:
            raise
        except (Exception, SystemExit) as error:
            raise self._driver.refused or _failed(file, direction, error) from error
        self._driver.end_file()
        if self._driver.forgotten:
            self._pointer.has_moved_to(None)  # which Alembic is about to write

    def _call(self, function: Callable[[Any], object], direction: Direction, mode: Mode) -> None:
        connection = self._connection
        if mode is Mode.ATOMIC:
            connection.begin()
        autoflush = self._run.settings.session_autoflush
        session = open_script_session(connection, mode, autoflush=autoflush)
        refuse_unfinished(function(session), direction)
        if session.in_transaction():
            session.commit()  # as the runner does, after the file returns
        Session.close(session)  # and not the file's close(), which rolls back

    def _on_step(self, *, step: MigrationInfo, heads: set[str], **_told: Any) -> None:
        """Write the record of a step into the transaction of the step."""
        history = self._run.script.history
        if step.is_stamp:
            self._books.hold_only(history.up_to(next(iter(heads), None)))
        elif step.is_upgrade:
            self._books.record_applied(self._row)
        elif not self._driver.forgotten:
            self._books.record_unapplied([history.by_revision[str(step.up_revision_id)].stem])
        self._end_transaction()

    def _end_transaction(self) -> None:
        if self._driver.refused is not None:
            raise self._driver.refused  # somebody caught it, and went on
        self._connection.commit()
        self._driver.commit()  # also of what did not go through SQLAlchemy
        self._driver.pay_commit()


def _failed(file: PlainFile, direction: Direction, error: BaseException) -> MigrationError:
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == file.path), None)
    where = f"{file.path}:{line}" if line else file.path
    cause = getattr(error, "orig", None) or error
    told = str(cause).strip().split("\n", 1)[0]
    return MigrationError(
        f"{where}: {direction} failed while its SQL was written: "
        f"{type(cause).__name__}{': ' if told else ''}{told}. Nothing was written."
    )
