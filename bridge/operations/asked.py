"""Ask a person about a change to the two tables, while no lock is held."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from bridge.errors import TryAgain
from bridge.locking.exclusive import exclusively

if TYPE_CHECKING:
    from bridge.alembic.run import CommandRun

Plan = TypeVar("Plan")


def record_if_agreed(
    run: CommandRun,
    look: Callable[[bool], Plan],
    agree: Callable[[Plan], bool],
    record: Callable[[Plan], None],
    *,
    changes: Callable[[Plan], object],
) -> Plan | None:
    """Look what there is to change, ask, look again under the migration lock, and record it.

    `look` is given whether nothing is written yet. `changes` is true of a plan that changes
    anything. Returns the plan that was recorded, or one
    without anything to change, about which nobody is asked; None if the answer was no. Raises
    TryAgain if the plan is another one under the lock; nothing was changed then.
    """
    plan = look(True)
    if not run.external:
        run.connection.rollback()  # a person may think for long
    if not changes(plan):
        return plan
    if not agree(plan):
        return None
    with exclusively(
        run.connection,
        wait=run.settings.wait_for_lock,
        reporter=run.reporter,
        in_transaction=run.external,
        pooler=run.settings.pooler,
        target=run.settings.target,
        lent=run.lent,
    ):
        if look(False) != plan:
            raise TryAgain(
                "The ledger or the files have changed since the question was asked. Nothing was "
                "changed. Run the same command again."
            )
        record(plan)
        if not run.external:
            run.connection.commit()
    return plan
