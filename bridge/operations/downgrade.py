"""`eai migrate downgrade`: list what it would revert, and revert just that.

The order is the reverse of the one in which this database has applied its migrations. It runs
Alembic's own command, as `bridge.operations.upgrade` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.alembic.commands import downgrade, with_steps
from bridge.alembic.invocation import Invocation
from bridge.database.request import Request
from bridge.operations.upgrade import Planned
from bridge.reporting.events import Direction

if TYPE_CHECKING:
    from bridge.alembic.script import PlainScript
    from bridge.ledger.history import History


@dataclass(frozen=True, slots=True)
class Downgrade:
    """What a downgrade reverts, the migration that was applied last first."""

    planned: tuple[Planned, ...]
    #: The stem of the migration at which the database is then; None before the first one.
    at: str | None


def plan_downgrade(request: Request, *, to: str, command: str = "alembic downgrade") -> Downgrade:
    """Return what `run_downgrade` would revert now; writes nothing.

    `to` is a revision as ``alembic downgrade`` takes it. Raises UsageError if it names none that
    is applied, or if a migration on the way has no ``downgrade``; LedgerError if its file is gone.
    `command` is what a person would type to revert.
    """

    def use(history: History, steps: list[PlainScript]) -> Downgrade:
        planned = tuple(Planned(each.entry.stem, each.doc, late=False) for each in steps)
        return Downgrade(planned, _at(history, len(planned)))

    invocation = Invocation(request=request, downgrade_command=command)
    return with_steps(invocation, to, Direction.DOWNGRADE, use)


def run_downgrade(
    request: Request,
    *,
    to: str,
    agreed: Downgrade | None = None,
    command: str = "alembic downgrade",
) -> Downgrade:
    """Revert the applied migrations after `to`, each in a transaction of its own.

    Raises as `plan_downgrade` does, and TryAgain if it would not be what was `agreed`, all
    before anything was changed; MigrationError after one was rolled back, and then those
    reverted before it stay so.
    """
    agreed = agreed or plan_downgrade(request, to=to, command=command)
    stems = [each.stem for each in agreed.planned]
    downgrade(Invocation(request=request, downgrade_command=command, agreed=stems), to)
    return agreed


def _at(history: History, reverted: int) -> str | None:
    left = history.applied[: len(history.applied) - reverted]
    return left[-1].stem if left else None
