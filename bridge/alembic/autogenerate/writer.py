"""`alembic revision --autogenerate` as plain files of SQL.

Alembic compares and asks the team's ``process_revision_directives``; what comes out of that is
written here as SQL instead of calls of ``op``. ``alembic check`` shares the comparison and stays
as it is. Of Alembic's private surface it replaces `_to_script` of one RevisionContext.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext
from alembic.operations.ops import MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from bridge.alembic.autogenerate.catalog import Facts
from bridge.alembic.autogenerate.dialect import OfflineDialect
from bridge.alembic.autogenerate.operations import flattened, statements_of, type_changes
from bridge.alembic.autogenerate.python import Statement, as_code
from bridge.database.outside_transaction import refused_in_transaction
from bridge.errors import LedgerError
from bridge.files.new_file import Generated
from bridge.ledger.history import History

if TYPE_CHECKING:
    from bridge.alembic.script_directory import PlainScriptDirectory

NOTHING_TO_DO = "Nothing to do: the database is as the models say. No file was written."

Hook = Callable[[MigrationContext, Any, list[MigrationScript]], None]


def write_sql(ctx: MigrationContext, script: PlainScriptDirectory) -> None:
    """Make the comparison that is under way in this context, if one is, end in files of SQL."""
    comparing: RevisionContext | None = ctx.opts.get("revision_context")
    if comparing is None:
        return
    own: Hook | None = ctx.opts.get("process_revision_directives")
    writer = _Writer(ctx, script, comparing)

    def read_facts(migration_context: MigrationContext, rev: Any, directives: Any) -> None:
        if own is not None:
            own(migration_context, rev, directives)
        writer.read_facts(directives)

    ctx.opts["process_revision_directives"] = read_facts
    comparing._to_script = writer.write  # type: ignore[method-assign] # noqa: SLF001


def refuse_if_behind(ctx: MigrationContext, history: History) -> None:
    """Raise LedgerError if a comparison is under way, and the database lacks a migration.

    What the pending files do would be written a second time.
    """
    comparing: RevisionContext | None = ctx.opts.get("revision_context")
    if comparing is None or not comparing.command_args.get("autogenerate") or not history.pending:
        return
    names = ", ".join(f"{entry.stem}.py" for entry in history.pending)
    are = "is" if len(history.pending) == 1 else "are"
    raise LedgerError(
        f"Target database is not up to date: {names} {are} pending. Nothing was compared and "
        "nothing was written, because the models may have those changes already. Type eai "
        "migrate, then the same command again."
    )


@dataclass
class _Writer:
    """Writes the scripts of one comparison, when its connection is closed already."""

    ctx: MigrationContext
    script: PlainScriptDirectory
    comparing: RevisionContext
    facts: Facts | None = None

    def read_facts(self, directives: Sequence[MigrationScript]) -> None:
        """Ask the database what the statements depend on, if there will be any."""
        operations = [each for one in directives for way in _both_ways(one) for each in way]
        connection = self.ctx.connection
        if connection is not None and any(True for _ in flattened(operations)):
            changes = type_changes(operations, OfflineDialect.like(connection.dialect).dialect)
            self.facts = Facts.read(connection, changes)

    def write(self, migration_script: MigrationScript) -> Script | None:
        """Write one file, unless a comparison has found nothing."""
        directive = migration_script
        with self.script.told_to_alembic():
            generated = self._generated(directive)
            if generated is None and self.comparing.command_args.get("autogenerate"):
                if not self.script.quiet:
                    self.script.config.print_stdout(NOTHING_TO_DO)
                return None
            return self.script.generate_revision(
                str(directive.rev_id),
                directive.message,
                head=directive.head,
                splice=directive.splice,
                branch_labels=directive.branch_label,
                version_path=directive.version_path,
                depends_on=directive.depends_on,
                generated=generated,
            )

    def _generated(self, directive: MigrationScript) -> Generated | None:
        if self.facts is None:
            return None
        upgrade, downgrade = _both_ways(directive)
        both = statements_of(upgrade, downgrade, self.ctx, self.facts)
        if not both.upgrade and not both.downgrade:
            return None
        return Generated(
            as_code(both.upgrade),
            as_code(both.downgrade),
            autocommit=any(_needs_autocommit(each) for each in (*both.upgrade, *both.downgrade)),
        )


def _both_ways(
    directive: MigrationScript,
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    return (
        [each for ops in directive.upgrade_ops_list for each in ops.ops],
        [each for ops in directive.downgrade_ops_list for each in ops.ops],
    )


def _needs_autocommit(statement: Statement) -> bool:
    return refused_in_transaction(statement.sql) is not None
