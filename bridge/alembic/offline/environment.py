"""``--sql``: write a script of what Alembic would do, as env.py does it without a database.

The whole script is held back until its end is reached, so that one that cannot be written is not
run in part.
"""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TextIO, cast

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import CommandError
from sqlalchemy.orm import Session

from bridge.alembic.announce import announce
from bridge.alembic.configure import configure
from bridge.alembic.offline.bookkeeping import Bookkeeping
from bridge.alembic.offline.driver import ScriptConnection
from bridge.alembic.offline.found import Found
from bridge.alembic.offline.session import OfflineConnection, open_script_session, script_connection
from bridge.alembic.run import CommandRun
from bridge.alembic.script_directory import PlainScriptDirectory
from bridge.alembic.steps import steps_from, take_steps
from bridge.alembic.version_table import Pointer, widened_version_table
from bridge.errors import BridgeError, Interrupted, MigrationError
from bridge.execution.loading import loaded, refuse_unfinished
from bridge.files.conventions import Argument
from bridge.files.functions import CALLED_WITH
from bridge.files.plain_file import PlainFile
from bridge.ledger.drift import row_of
from bridge.ledger.history import Entry
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter


def run_offline(
    context: EnvironmentContext | Any, options: dict[str, Any], reporter: Reporter
) -> None:
    """Write the SQL of the Alembic command that is under way to Alembic's output.

    Connects to nothing. Raises a BridgeError, after which nothing was written, if a file needs
    an answer from a database.
    """
    script = cast("PlainScriptDirectory", context.script)
    buffer = io.StringIO()
    driver = ScriptConnection(buffer.write)
    connection = script_connection(driver)
    with contextlib.closing(connection):
        request = replace(script.invocation.request, reporter=reporter)
        run = CommandRun.of(script, connection, request)
        ctx = configure(run, context, options)
        out: TextIO = ctx.output_buffer
        _take_over(ctx, connection, buffer)
        _Writing(run, ctx, driver, script.invocation.found).run(buffer)
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
        self._version_table = widened_version_table(ctx)
        self._books = Bookkeeping(run, self._version_table, found)

    def run(self, buffer: TextIO) -> None:
        run, script, ctx = self._run, self._run.script, self._ctx
        run.on_step = self._on_step
        script.execute = self._execute
        state = self._books.state
        script.announce = partial(announce, run, state, looking=self._found is None)
        if self._found is not None:
            script.follow(self._found.agreement.history)
        # For ``ensure_version``; Alembic's own would not be idempotent.
        self._version_table.create = self._books.create  # type: ignore[method-assign]
        if ctx.purge:
            raise CommandError("Can't use --purge with --sql mode")
        try:
            heads = ctx.get_current_heads()
            self._pointer = Pointer(
                run.connection, run.ledger, heads[0] if heads else None, confirmed=False
            )
            steps = list(steps_from(ctx, heads))
            buffer.write(self._books.header(heads, steps))
            if steps:
                self._books.open(heads, steps)
            self._end_transaction()
            take_steps(ctx, steps, self._pointer)
            self._end_transaction()
        finally:
            script.execute = script.announce = run.on_step = None

    def _execute(self, file: PlainFile, direction: Direction) -> None:
        mode = file.header.transaction or self._run.settings.transaction
        self._row = row_of(file)
        before: Entry | None = None
        forgetting: tuple[str, ...] = ()
        if direction is Direction.DOWNGRADE:
            *earlier, entry = self._run.script.history.up_to(file.revision)
            before = earlier[-1] if earlier else None
            forgetting = self._books.forgetting(entry, before)
        self._driver.begin_file(file.path, mode, forgetting)
        try:
            # What a file prints is for the person, not for the script.
            with contextlib.redirect_stdout(sys.stderr), loaded(file, direction.value) as function:
                self._call(file, function, direction)
        except BridgeError as error:
            raise self._driver.refused or error from error.__cause__
        except Interrupted:
            raise
        except (Exception, SystemExit) as error:
            raise self._driver.refused or _failed(file, direction, error) from error
        self._driver.end_file()
        if self._driver.forgotten:
            self._pointer.now = before.revision if before else None

    def _call(
        self, file: PlainFile, function: Callable[[Any], object], direction: Direction
    ) -> None:
        argument, _ = file.takes(direction.value)
        if argument is Argument.CONNECTION:
            connection = script_connection(self._driver)
            refuse_unfinished(function(connection), direction)
            connection.commit()
            return
        if argument is not Argument.SESSION:
            self._driver.refuse(
                f"`{file.conventions.function(direction.value)}` takes {CALLED_WITH[argument][0]}, "
                "which nothing can stand for while a script is written. Nothing was written. Let "
                "the file run instead: eai migrate rehearse, on a copy of the database, runs what "
                "is pending, prints its SQL and rolls everything back."
            )
        autoflush = self._run.settings.session_autoflush
        session = open_script_session(self._driver, autoflush=autoflush)
        refuse_unfinished(function(session), direction)
        session.commit()  # as the runner does, after the file returns
        Session.close(session)  # and not the file's close(), which rolls back

    def _on_step(self, *, step: MigrationInfo, heads: set[str], **_arguments: Any) -> None:
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
    reason = str(cause).strip().split("\n", 1)[0]
    return MigrationError(
        f"{where}: {direction} failed while its SQL was written: "
        f"{type(cause).__name__}{': ' if reason else ''}{reason}. Nothing was written."
    )
