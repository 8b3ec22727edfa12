"""``--sql``: write a script of what Alembic would do, as env.py does it without a database.

The whole script is held back until its end is reached, so that one that cannot be written is not
run in part.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from functools import partial
from typing import Any, TextIO, cast

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import CommandError

from bridge.alembic.announce import announce
from bridge.alembic.configure import configure
from bridge.alembic.offline.bookkeeping import Bookkeeping
from bridge.alembic.offline.driver import ScriptConnection
from bridge.alembic.offline.found import Found
from bridge.alembic.offline.one_file import write_file, written_through
from bridge.alembic.offline.session import OfflineConnection, script_connection
from bridge.alembic.run import CommandRun
from bridge.alembic.script_directory import PlainScriptDirectory
from bridge.alembic.steps import steps_from, take_steps
from bridge.alembic.version_table import Pointer, widened_version_table
from bridge.config.target import require_target
from bridge.database.search_path import search_path_of
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
    require_target(script.settings)
    driver = ScriptConnection(buffer.write, search_path_of(script.settings))
    connection = script_connection(driver)
    with contextlib.closing(connection):
        request = replace(script.invocation.request, reporter=reporter)
        run = CommandRun.of(script, connection, request)
        ctx = configure(run, context, options)
        out: TextIO = ctx.output_buffer
        try:
            with written_through(ctx, connection, buffer):
                _Writing(run, ctx, driver, script.invocation.found).run(buffer)
        finally:
            ctx.as_sql = False  # after an error, `alembic.op` goes on to stand for it
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8")  # which the script says it is in
    out.write(buffer.getvalue())
    out.flush()


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
            if steps or self._books.unrun:
                self._books.open(heads, steps)
            self._end_transaction()
            take_steps(ctx, steps, self._pointer)
            self._end_transaction()
        finally:
            script.execute = script.announce = run.on_step = None

    def _execute(self, file: PlainFile, direction: Direction) -> None:
        self._row = row_of(file)
        self._entry = self._run.script.history.by_revision[file.revision]
        upgrades = direction is Direction.UPGRADE
        if upgrades and file.stem in self._run.script.history.replaced.only_recorded:
            return
        before: Entry | None = None
        forgetting: tuple[str, ...] = ()
        if direction is Direction.DOWNGRADE:
            *earlier, entry = self._run.script.history.up_to(file.revision)
            before = earlier[-1] if earlier else None
            forgetting = self._books.forgetting(entry, before)
        write_file(self._driver, file, direction, self._run.settings, forgetting)
        if self._driver.forgotten:
            self._pointer.now = before.revision if before else None

    def _on_step(self, *, step: MigrationInfo, heads: set[str], **_arguments: Any) -> None:
        """Write the record of a step into the transaction of the step."""
        history = self._run.script.history
        if step.is_stamp:
            self._books.hold_only(history.up_to(next(iter(heads), None)))
        elif step.is_upgrade and self._entry.stem in history.replaced.only_recorded:
            self._books.record_unrun(self._entry)
        elif step.is_upgrade:
            self._books.record_applied(self._row, self._entry.replaces)
        elif not self._driver.forgotten:
            self._books.record_unapplied([history.by_revision[str(step.up_revision_id)].stem])
        self._end_transaction()

    def _end_transaction(self) -> None:
        if self._driver.refused is not None:
            raise self._driver.refused  # somebody caught it, and went on
        self._connection.commit()
        self._driver.commit()  # also of what did not go through SQLAlchemy
        self._driver.pay_commit()
