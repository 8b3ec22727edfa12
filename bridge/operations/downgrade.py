"""`eai migrate downgrade`: what it would revert, and reverting just that.

The order is the reverse of the one in which this database has applied its migrations. It runs
Alembic's own command, as `bridge.operations.upgrade` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bridge.operations.request import Planned, Request
from bridge.operations.upgrade import alembic_here

if TYPE_CHECKING:
    from bridge.alembic.script_directory import PlainScript, PlainScriptDirectory
    from bridge.ledger.history import History


@dataclass(frozen=True, slots=True)
class Downgrade:
    """What a downgrade reverts, the migration that was applied last first."""

    planned: tuple[Planned, ...]
    #: The stem of the migration at which the database is then; None before the first one.
    at: str | None


def plan_downgrade(request: Request, *, to: str) -> Downgrade:
    """What `run_downgrade` would revert now; writes nothing.

    `to` is a revision as ``alembic downgrade`` takes it. Raises UsageError if it names none that
    is applied, or if a migration on the way has no ``downgrade``; LedgerError if its file is gone.
    """
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    planned: list[Planned] = []
    with alembic_here():
        config = request.alembic_config()
        script = cast("PlainScriptDirectory", ScriptDirectory.from_config(config))

        def look(heads: Any, _context: Any) -> list[Any]:
            for step in script._downgrade_revs(to, heads):  # noqa: SLF001
                revision = cast("PlainScript", step.revision)
                planned.append(Planned(revision.entry.stem, revision.doc, late=False))
            return []

        with EnvironmentContext(config, script, fn=look, dont_mutate=True):
            script.run_env()
    return Downgrade(tuple(planned), _at(script.history, len(planned)))


def run_downgrade(request: Request, *, to: str, agreed: Downgrade | None = None) -> Downgrade:
    """Revert the applied migrations after `to`, each in a transaction of its own.

    Raises as `plan_downgrade` does, and TryAgain if it would not be what was `agreed`, all
    before anything was changed; MigrationError after one was rolled back, and then those
    reverted before it stay so.
    """
    from alembic import command

    agreed = agreed or plan_downgrade(request, to=to)
    with alembic_here():
        config = request.alembic_config()
        config.attributes["bridge.agreed"] = [each.stem for each in agreed.planned]
        command.downgrade(config, to)
    return agreed


def _at(history: History, reverted: int) -> str | None:
    left = history.applied[: len(history.applied) - reverted]
    return left[-1].stem if left else None
