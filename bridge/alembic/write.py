"""Write to the database: an upgrade, a downgrade or a stamp, while the lock is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.alembic.migrating import Migrating
from bridge.alembic.stamping import Stamping
from bridge.database.own_connection import guardable
from bridge.execution.retry import Retrying
from bridge.execution.runner import Runner
from bridge.execution.watcher import Watcher
from bridge.locking.exclusive import Right, exclusively

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from bridge.alembic.run import CommandRun


def write(run: CommandRun, ctx: MigrationContext) -> None:
    """Take the steps of Alembic's command, each recorded in its own transaction.

    Raises LockNotObtained, LedgerError or FilesError before anything was changed, and
    MigrationError after a migration was rolled back; those before it stay applied.
    """
    if not run.external:
        run.connection.rollback()
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
    ):
        if "purge" in ctx.opts:  # only ``stamp`` has this option at all
            Stamping(run, ctx).run()
        else:
            _migrate(run, ctx, right)


def _migrate(run: CommandRun, ctx: MigrationContext, right: Right) -> None:
    retrying = Retrying(
        run.connection,
        timeout=run.settings.ddl_lock_timeout,
        tries=run.settings.ddl_lock_tries,
        reporter=run.reporter,
        lent=run.lent,
    )
    with Watcher().listening() as watcher, retrying.watching():
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
            scratch=run.scratch,
            tables=(run.ledger.name, run.ledger.version_name),
            lock_waits=retrying.lock_waits,
        )
        Migrating(run, ctx, runner, retrying, right).run()
