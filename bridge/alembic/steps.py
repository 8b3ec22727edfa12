"""Take the steps of a command, one after the other, as Alembic's `run_migrations` does.

Which steps there are Alembic says. They are taken here so that the pointer has one owner, who
moves it together with the record of a migration (`bridge.alembic.record`). Alembic would move it
after each step, by a statement with both revisions in its text, which is a new one to SQLAlchemy
each time: 170,000 instructions of this process to put it together and 280,000 to compile it
(counted by `valgrind`), of some three million for a whole migration of three statements.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep, StampStep

from bridge.alembic.version_table import Pointer

#: Alembic's own, whose lines a team may have configured.
_log = logging.getLogger("alembic.runtime.migration")

Steps = Iterable[RevisionStep | StampStep]


def steps_from(ctx: MigrationContext, heads: tuple[str, ...]) -> Steps:
    """Ask the command that is under way for its steps, on a database that is at `heads`."""
    steps: Steps = ctx.opts["fn"](heads, ctx)
    return steps


def take_steps(ctx: MigrationContext, steps: Steps, pointer: Pointer) -> None:
    """Run each step, move the pointer, and call back those who wait for it to have moved."""
    with Operations.context(ctx):
        ctx.impl.start_migrations()
        for step in steps:
            _log.info("Running %s", step)
            if ctx.as_sql:
                ctx.impl.static_output(f"-- Running {step.short_log}")
            step.migration_fn()
            pointer.follow(step)
            for callback in ctx.on_version_apply_callbacks:
                callback(ctx=ctx, step=step.info, heads=set(step.to_revisions), run_args={})
