"""`eai migrate`: bring a database up to date, or list what that would take.

What the command line and a starting service share. It runs Alembic's own commands on the
configuration of the project, so that everything goes through the same environment as the
``alembic`` command.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.database.request import Request
from bridge.operations.by_program import by_program
from bridge.operations.quick_check import answering
from bridge.reporting import events
from bridge.reporting.events import Direction
from bridge.reporting.reporter import Reporter

# SQLAlchemy and Alembic are imported by the functions that need them: most runs have nothing to do.
if TYPE_CHECKING:
    from bridge.alembic.script import PlainScript
    from bridge.config.target import Target
    from bridge.database.handed_in import HandedIn
    from bridge.ledger.history import History


@dataclass(frozen=True, slots=True)
class Applied:
    """A migration that a run has applied."""

    stem: str
    #: How long it took.
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run."""

    applied: tuple[Applied, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A migration that would run."""

    stem: str
    description: str
    #: Whether its name sorts before one that was applied already.
    late: bool
    #: How many migrations it stands for, if it is a squash; 0 for any other.
    replaces: int = 0
    #: Whether it is only recorded: what it stands for is applied before it.
    only_recorded: bool = False


def upgrade(
    database: HandedIn = None,
    *,
    config: str | os.PathLike[str] | None = None,
    section: str | None = None,
    target: str | Target | None = None,
    to: str = "head",
    wait_for_lock: float | None = None,
    wait_for_server: float | None = None,
    embedded: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Apply the pending migrations, each in a transaction of its own, and return what was done.

    `to` is a revision as ``alembic upgrade`` takes it. The waits are in seconds; None for what the
    settings say, else 300 for another process or thread that migrates and 60 for the server. With a
    Connection that is in a transaction, everything happens in that transaction, and the caller
    commits. `section` is that of the ini file, `target` one tenant: a `bridge.Target`, or a name in
    the section's list. Safe to call from several threads: one at a time.

    Raises a BridgeError: before anything was changed, or MigrationError, after which the failed
    migration is rolled back as far as it can be and those before it stay applied.
    """
    request = Request.at_start(
        database,
        config=config,
        section=section,
        embedded=embedded,
        wait_for_lock=wait_for_lock,
        wait_for_server=wait_for_server,
        reporter=reporter,
    )
    with by_program(request, target) as here:
        return run_upgrade(here, to=to)


def run_upgrade(request: Request, *, to: str = "head", provisions: bool = False) -> Report:
    """Do as `upgrade` does, for a Request; with `provisions` its target may be a new one."""
    tally = _Tally(request.reporter)
    request = replace(request, reporter=tally)
    with ExitStack() as stack:
        target = answering(request, stack) if to in {"head", "heads"} else None
        if target is not None and target.is_up_to_date():
            return Report(())
        ahead = target.ahead() if target else None  # which goes on while Alembic is loaded
        from bridge.alembic import commands
        from bridge.alembic.invocation import Invocation

        here = target.request if target else request
        commands.upgrade(Invocation(request=here, ahead=ahead, provisions=provisions), to)
    return Report(tuple(tally.applied))


def plan(request: Request, *, to: str = "head") -> tuple[Planned, ...]:
    """Return what `run_upgrade` would run now, in that order; writes nothing."""
    from bridge.alembic.commands import with_steps
    from bridge.alembic.invocation import Invocation

    def use(history: History, steps: list[PlainScript]) -> tuple[Planned, ...]:
        late = {entry.stem for entry in history.late}
        return tuple(
            Planned(
                entry.stem,
                each.doc,
                late=entry.stem in late,
                replaces=len(entry.replaces),
                only_recorded=entry.stem in history.replaced.only_recorded,
            )
            for each in steps
            for entry in [each.entry]
        )

    return with_steps(Invocation(request=request), to, Direction.UPGRADE, use)


class _Tally(Reporter):
    """Counts what was applied."""

    def __init__(self, inner: Reporter) -> None:
        self.applied: list[Applied] = []
        self._inner = inner

    def tell(self, event: events.Event) -> None:
        if isinstance(event, events.MigrationFinished) and event.direction is Direction.UPGRADE:
            self.applied.append(Applied(event.migration, event.seconds))
        self._inner.tell(event)
