"""Write the result of `alembic revision --autogenerate` as a plain file of SQL.

Alembic compares and asks the team's ``process_revision_directives``; what comes out of that is
written here as SQL instead of calls of ``op``. ``alembic check`` shares the comparison and stays
as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from alembic.autogenerate import RevisionContext, renderers
from alembic.autogenerate.render import render_op
from alembic.operations.ops import MigrateOperation, MigrationScript, OpContainer
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import SAWarning

from bridge.alembic.autogenerate.catalog import Facts
from bridge.alembic.autogenerate.dialect import OfflineDialect
from bridge.alembic.autogenerate.operations import Part, flattened, statements_of, type_changes
from bridge.alembic.autogenerate.python import Statement, Unwritten, as_code
from bridge.database.data_loss import data_losses
from bridge.database.outside_transaction import refused_in_transaction
from bridge.errors import LedgerError
from bridge.files.functions import PLACEHOLDER
from bridge.files.new_file import Generated
from bridge.ledger.history import History
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.numbers import counted

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

NOTHING_TO_DO = "Nothing to do: the database is as the models say. No file was written."

Hook = Callable[[MigrationContext, Any, list[MigrationScript]], None]


def write_sql(
    ctx: MigrationContext,
    compared: dict[str, Callable[[], Generated | None]],
    tell: Callable[[events.Event], None],
) -> None:
    """Make the comparison that is under way in this context end in files of SQL.

    `compared` is given, for each revision that Alembic will ask for, what makes its text, which
    tells of each operation that is left out.
    """
    own: Hook | None = ctx.opts.get("process_revision_directives")

    def process(migration_context: MigrationContext, rev: Any, directives: Any) -> None:
        if own is not None:
            own(migration_context, rev, directives)
        facts = _facts(ctx, directives)
        for directive in directives:
            there, back = _both_ways(directive)
            compared[str(directive.rev_id)] = _NewFile(
                ctx, facts, there, back, imports=directive.imports, tell=tell
            ).generated
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
        "nothing was written, because the models may have those changes already. First type: "
        "eai migrate; then the same command again."
    )


@contextmanager
def unsorted() -> Iterator[None]:
    """Let Alembic list models that refer to each other in this block without a warning.

    It has no use for their order, and what is written has one of its own.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot correctly sort tables", SAWarning)
        yield


def _facts(ctx: MigrationContext, directives: Sequence[MigrationScript]) -> Facts | None:
    """Ask the database what the statements depend on, if there will be any."""
    operations = [each for one in directives for way in _both_ways(one) for each in way]
    connection = ctx.connection
    if connection is None or not any(True for _ in flattened(operations)):
        return None
    changes = type_changes(operations, OfflineDialect.like(connection.dialect).dialect)
    return Facts.read(connection, changes)


@dataclass
class _NewFile:
    """A file to be written; it asks no database any more."""

    ctx: MigrationContext
    facts: Facts | None
    upgrade: Sequence[MigrateOperation]
    downgrade: Sequence[MigrateOperation]
    _: KW_ONLY
    #: What a hook of the project has put into it for what is rendered.
    imports: Collection[str]
    tell: Callable[[events.Event], None]

    def generated(self) -> Generated | None:
        """Write the bodies of both functions; None if a comparison has found nothing."""
        if self.facts is not None:
            both = statements_of(
                self.upgrade, self.downgrade, self.ctx, self.facts, imports=self.imports
            )
            if both.upgrade or both.downgrade:
                self.tell(events.Note(_summary(both.upgrade, Direction.UPGRADE)))
                self.tell(events.Note(_summary(both.downgrade, Direction.DOWNGRADE)))
                return Generated(
                    self._body(both.upgrade, Direction.UPGRADE),
                    self._body(both.downgrade, Direction.DOWNGRADE),
                    autocommit=any(map(_needs_autocommit, (*both.upgrade, *both.downgrade))),
                )
        autogenerates = self.ctx.opts["revision_context"].command_args.get("autogenerate")
        return None if autogenerates else Generated("", "")

    def _body(self, parts: Sequence[Part], direction: Direction) -> str:
        """Return the code of one function, and tell what it lacks."""
        unwritten = [each for each in parts if isinstance(each, Unwritten)]
        for each in unwritten:
            sentence = f"{direction}() lacks {each.operation}, which cannot be written as SQL"
            told = f"{sentence}: {each.reason}. A comment in the file stands in its place."
            self.tell(events.Warned(told))
        # With nothing but comments it would be recorded as done.
        rest = [Statement(PLACEHOLDER)] if unwritten and len(unwritten) == len(parts) else []
        return as_code([*parts, *rest])


def _both_ways(
    directive: MigrationScript,
) -> tuple[list[MigrateOperation], list[MigrateOperation]]:
    return (
        [each for ops in directive.upgrade_ops_list for each in ops.ops],
        [each for ops in directive.downgrade_ops_list for each in ops.ops],
    )


def _summary(parts: Sequence[Part], direction: Direction) -> str:
    """Say how many statements a function has, and which data they lose."""
    statements = [each.sql for each in parts if isinstance(each, Statement)]
    lost = [losses for sql in statements if (losses := list(data_losses(sql)))]
    told = f"{direction}() has {counted(len(statements), 'statement')}"
    if not lost:
        return f"{told}; none of them loses data."
    lose = "1 of them loses" if len(lost) == 1 else f"{len(lost)} of them lose"
    what = ", ".join(dict.fromkeys(each for losses in lost for each in losses))
    return f"{told}; {lose} data: {what}."


def _needs_autocommit(part: Part) -> bool:
    return isinstance(part, Statement) and refused_in_transaction(part.sql) is not None
