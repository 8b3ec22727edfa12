"""Write the result of `alembic revision --autogenerate` as a plain file of SQL.

Alembic compares and asks the team's ``process_revision_directives``; what comes out of that is
written here as SQL instead of calls of ``op``. ``alembic check`` shares the comparison and stays
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext, renderers
from alembic.autogenerate.render import render_op
from alembic.operations.ops import MigrateOperation, MigrationScript, OpContainer
from alembic.runtime.migration import MigrationContext

from bridge.alembic.autogenerate.catalog import Facts
from bridge.alembic.autogenerate.dialect import OfflineDialect
from bridge.alembic.autogenerate.operations import flattened, statements_of, type_changes
from bridge.alembic.autogenerate.python import Statement, as_code
from bridge.database.outside_transaction import refused_in_transaction
from bridge.errors import LedgerError
from bridge.files.new_file import Generated
from bridge.ledger.history import History

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

NOTHING_TO_DO = "Nothing to do: the database is as the models say. No file was written."

Hook = Callable[[MigrationContext, Any, list[MigrationScript]], None]


def write_sql(ctx: MigrationContext, compared: dict[str, Callable[[], Generated | None]]) -> None:
    """Make the comparison that is under way in this context end in files of SQL.

    `compared` is given, for each revision that Alembic will ask for, what makes its text.
    """
    own: Hook | None = ctx.opts.get("process_revision_directives")

    def process(migration_context: MigrationContext, rev: Any, directives: Any) -> None:
        if own is not None:
            own(migration_context, rev, directives)
        facts = _facts(ctx, directives)
        for directive in directives:
            there, back = _both_ways(directive)
            compared[str(directive.rev_id)] = partial(_generate, ctx, facts, there, back)
            for container in (*directive.upgrade_ops_list, *directive.downgrade_ops_list):
                container.ops = [_Compared(container.ops)] if container.ops else []

    ctx.opts["process_revision_directives"] = process


class _Compared(OpContainer):
    """Operations that will be written as SQL."""


@renderers.dispatch_for(_Compared)
def _render(context: AutogenContext, compared: _Compared) -> list[str]:
    """Render as Python for a caller that asks for that; a file is made without."""
    if context.migration_context.opts.get("revision_context") is not None:
        return []
    return [line for each in compared.ops for line in render_op(context, each)]


def refuse_if_behind(ctx: MigrationContext, history: History) -> None:
    """Raise LedgerError if the database that is being compared lacks a migration.

    What the pending files do would be written a second time.
    """
    comparing: RevisionContext = ctx.opts["revision_context"]
    if not comparing.command_args.get("autogenerate") or not history.pending:
        return
    names = ", ".join(f"{entry.stem}.py" for entry in history.pending)
    are = "is" if len(history.pending) == 1 else "are"
    raise LedgerError(
        f"Target database is not up to date: {names} {are} pending. Nothing was compared and "
        "nothing was written, because the models may have those changes already. Type eai "
        "migrate, then the same command again."
    )


def _facts(ctx: MigrationContext, directives: Sequence[MigrationScript]) -> Facts | None:
    """Ask the database what the statements depend on, if there will be any."""
    operations = [each for one in directives for way in _both_ways(one) for each in way]
    connection = ctx.connection
    if connection is None or not any(True for _ in flattened(operations)):
        return None
    changes = type_changes(operations, OfflineDialect.like(connection.dialect).dialect)
    return Facts.read(connection, changes)


def _generate(
    ctx: MigrationContext,
    facts: Facts | None,
    upgrade: Sequence[MigrateOperation],
    downgrade: Sequence[MigrateOperation],
) -> Generated | None:
    """Write the bodies of one file; None if a comparison has found nothing. Asks no database."""
    if facts is not None:
        both = statements_of(upgrade, downgrade, ctx, facts)
        if both.upgrade or both.downgrade:
            statements = (*both.upgrade, *both.downgrade)
            return Generated(
                as_code(both.upgrade),
                as_code(both.downgrade),
                autocommit=any(map(_needs_autocommit, statements)),
            )
    autogenerates = ctx.opts["revision_context"].command_args.get("autogenerate")
    return None if autogenerates else Generated("", "")


def _both_ways(
    directive: MigrationScript,
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    return (
        [each for ops in directive.upgrade_ops_list for each in ops.ops],
        [each for ops in directive.downgrade_ops_list for each in ops.ops],
    )


def _needs_autocommit(statement: Statement) -> bool:
    return refused_in_transaction(statement.sql) is not None
